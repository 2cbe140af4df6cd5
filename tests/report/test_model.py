from dataclasses import replace

import numpy as np
import pytest

from earmark.data.content import Clip
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.result import Evaluation
from earmark.features.store import ClipKey
from earmark.models.run_folder import RunFolder
from earmark.report.model import describe_rule, render_choices, render_model, render_training
from earmark.tasks.decision_rule import DecisionRule
from earmark.tasks.task import MULTI_LABEL


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    line = '{"epoch": %d, "train_loss": 0.5, "val_loss": 0.4}\n'
    (folder / "log.jsonl").write_text("".join(line % epoch for epoch in (1, 2, 3)))
    return folder


def test_the_losses_mark_the_epoch_of_the_tested_weights(checkpoint, run, origin, parse):
    page = parse(render_training(replace(origin, run=run), checkpoint))
    assert page.tags.count("svg") == 1
    assert "tested: epoch 2" in page.text
    assert "best: epoch" not in page.text


def test_losses_without_validation_are_those_of_training_alone(checkpoint, run, origin, parse):
    origin = replace(origin, run=run)
    both = parse(render_training(origin, checkpoint)).labels
    (run / "log.jsonl").write_text('{"epoch": 1, "train_loss": 0.5}\n')
    (label,) = parse(render_training(origin, checkpoint)).labels
    assert [label] != both


@pytest.mark.parametrize("progress", [{}, {"epoch": "two"}])
def test_a_model_without_an_epoch_is_not_marked(checkpoint, run, progress, origin, parse):
    checkpoint = replace(checkpoint, progress=progress)
    assert "tested" not in parse(render_training(replace(origin, run=run), checkpoint)).text


@pytest.mark.parametrize(
    "log",
    [None, b"", b"{", b"\xff", b"5\n", b'{"epoch": 1}\n', b'{"epoch": [], "train_loss": 1}\n'],
)
def test_without_a_log_there_is_no_curve(checkpoint, run, log, origin, parse):
    (run / "log.jsonl").unlink()
    if log is not None:
        (run / "log.jsonl").write_bytes(log)
    page = parse(render_training(replace(origin, run=run), checkpoint))
    assert page.data["missing"] == ["log"]
    assert "svg" not in page.tags


def test_without_a_run_folder_there_is_no_curve(checkpoint, origin, parse):
    assert parse(render_training(origin, checkpoint)).data["missing"] == ["run"]


def test_the_model_has_its_provenance_and_settings(tested, parse):
    page = parse(render_model(tested.checkpoint, tested.evaluation))
    assert tested.evaluation.provenance.weights_digest in page.text
    assert "[features]" in page.text


@pytest.mark.parametrize(
    ("thresholds", "source"),
    [((0.5, 0.5, 0.5), "(default)"), ((0.5, 0.2, 0.5), "(validation data)")],
)
def test_the_rule_names_the_source_of_its_thresholds(thresholds, source):
    rule = DecisionRule(MULTI_LABEL, thresholds)
    clips = (Clip("a.wav", ClipKey("a"), (0,)),)
    found = Evaluation(Predictions(clips, np.zeros((1, 3)), MULTI_LABEL), ("a", "b", "c"), rule)
    assert describe_rule(found).endswith(source)


def test_a_run_shows_what_was_chosen_and_why(tmp_path):
    run = RunFolder(tmp_path)
    assert render_choices(None) is None
    assert render_choices(run.path) is None
    choice = {"setting": "features.n_mels", "value": 64, "reason": "Enough."}
    run.write_choices({"name": "auto", "given": [], "choices": [choice]})
    page = str(render_choices(run.path))
    assert all(one in page for one in ("features.n_mels", "64", "Enough."))
    run.choices.write_text("damaged")
    assert render_choices(run.path) is None
