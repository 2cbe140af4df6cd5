import os
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from earmark.checkpoint import Checkpoint, ModelCard
from earmark.config import Config
from earmark.data import Clip
from earmark.decisions import DecisionRule
from earmark.metrics import Predictions
from earmark.outcome import Evaluation
from earmark.preparation import Skipped
from earmark.report import Origin, write_report
from earmark.tasks import BINARY

LABELS = ("music & <noise>", "speech")
ORIGIN = Origin(Path("runs/one/best.safetensors"), "the <data>")
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.text, self.tags = [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [
            value
            for name, value in attrs
            if name in ("src", "href", "xlink:href") and not value.startswith("#")
        ]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def evaluation():
    import numpy as np

    names = ("a.wav", "b<b>.wav", "c.wav")
    clips = tuple(
        Clip(name, name, (target,)) for name, target in zip(names, (0, 0, 1), strict=True)
    )
    predictions = Predictions(clips, np.array([[-2.0], [1.0], [3.0]]))
    skipped = (Skipped("bad.wav", "bad.wav: the file is empty"),)
    return Evaluation(predictions, LABELS, DecisionRule(BINARY, (0.5,)), skipped=skipped)


@pytest.fixture
def checkpoint():
    card = ModelCard(Config(), LABELS, 51)
    return Checkpoint(card, card.build().state_dict(), progress={"epoch": 2})


@pytest.fixture
def page(tmp_path, evaluation, checkpoint):
    return write_report(tmp_path / "out", evaluation, checkpoint, ORIGIN)


def test_the_page_is_well_formed_and_needs_no_network(page):
    parsed = Page(page.read_text())
    assert parsed.open == []
    assert all(one.startswith("data:") for one in parsed.addresses)
    assert "script" not in parsed.tags


def test_the_page_tells_the_figures_the_errors_and_what_was_skipped(page, evaluation):
    text = Page(page.read_text()).text
    low, high = evaluation.scores.accuracy_interval
    assert "2 of 3" in text
    assert f"between {low:.1%} and {high:.1%}" in text
    assert "b<b>.wav" in text
    assert "bad.wav: the file is empty" in text
    assert "music & <noise>" in text


def test_the_page_shows_the_confusion_matrix_and_the_curves(page):
    assert Page(page.read_text()).tags.count("svg") == 2


def test_the_page_names_the_model_the_data_and_the_split(page):
    text = Page(page.read_text()).text
    assert f"{ORIGIN.model}, tested on the <data> (test split), 20" in text
    assert "No loss curve: the model does not lie in its run folder." in text


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    line = '{"epoch": %d, "train_loss": 0.5, "val_loss": 0.4}\n'
    (folder / "log.jsonl").write_text("".join(line % epoch for epoch in (1, 2, 3)))
    return folder


def test_the_losses_of_the_models_run_mark_the_epoch_of_the_tested_weights(
    tmp_path, evaluation, checkpoint, run
):
    page = write_report(tmp_path / "out", evaluation, checkpoint, replace(ORIGIN, run=run))
    parsed = Page(page.read_text())
    assert parsed.tags.count("svg") == 3
    assert "tested: epoch 2" in parsed.text
    assert "best: epoch" not in parsed.text


@pytest.mark.parametrize("progress", [{}, {"epoch": "two"}])
def test_a_model_that_does_not_know_its_epoch_is_not_marked(
    tmp_path, evaluation, checkpoint, run, progress
):
    checkpoint = replace(checkpoint, progress=progress)
    page = write_report(tmp_path, evaluation, checkpoint, replace(ORIGIN, run=run))
    assert "tested: epoch" not in Page(page.read_text()).text


@pytest.mark.parametrize(
    "log",
    [None, b"", b"{", b"\xff", b"5\n", b'{"epoch": 1}\n', b'{"epoch": [], "train_loss": 1}\n'],
)
def test_a_damaged_log_leaves_the_curve_out_and_says_so(tmp_path, evaluation, checkpoint, run, log):
    (run / "log.jsonl").unlink()
    if log is not None:
        (run / "log.jsonl").write_bytes(log)
    page = write_report(tmp_path, evaluation, checkpoint, replace(ORIGIN, run=run))
    parsed = Page(page.read_text())
    assert parsed.tags.count("svg") == 2
    assert "No loss curve: the run's log.jsonl is missing or damaged." in parsed.text


@pytest.mark.parametrize("label", [r"$\foo$", "a$b$", "caf\udce9"])
def test_a_label_is_shown_as_it_is_written(tmp_path, checkpoint, evaluation, label):
    labels = (label, "speech")
    card = replace(checkpoint.card, labels=labels)
    evaluation = replace(evaluation, labels=labels)
    page = write_report(tmp_path, evaluation, replace(checkpoint, card=card), ORIGIN)
    shown = label.encode(errors="backslashreplace").decode()
    # In a picture, the ticks of both axes; on the page, the title, a heading and a row besides.
    assert Page(page.read_text()).text.count(shown) >= 5


def test_clips_whose_names_are_not_unicode_are_reported(tmp_path, evaluation, checkpoint):
    name = os.fsdecode(b"caf\xe9.wav")
    predictions = evaluation.predictions
    clips = (predictions.clips[0], replace(predictions.clips[1], name=name), predictions.clips[2])
    evaluation = replace(evaluation, uncalibrated=replace(predictions, clips=clips))
    page = write_report(tmp_path, evaluation, checkpoint, ORIGIN)
    assert b"\ncaf\xe9.wav," in page.with_name("predictions.csv").read_bytes()
    assert "caf\\udce9.wav" in Page(page.read_text()).text


def test_predictions_are_written_beside_the_page(page, evaluation):
    assert page.with_name("predictions.csv").read_text() == evaluation.to_csv()
