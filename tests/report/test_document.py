"""The report as a whole: it is well-formed, needs no network, and has every section."""

import os
import re
from dataclasses import replace

import numpy as np
import pytest

from earmark.config import Config, EmbedderConfig
from earmark.data.content import Clip
from earmark.evaluation.analysis.robustness import Robustness
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.result import Evaluation
from earmark.features.store import ClipKey
from earmark.models.checkpoint import Checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.report.document import write_report
from earmark.tasks.task import MULTI_CLASS, MULTI_LABEL


@pytest.fixture(scope="module")
def page(tmp_path_factory, evaluation, checkpoint, origin):
    return write_report(tmp_path_factory.mktemp("page"), evaluation, checkpoint, origin)


@pytest.fixture(scope="module")
def full_page(tested, analysis, as_recorded, tmp_path_factory, origin):
    """A page with every section, as text."""
    noise = replace(as_recorded, condition="noise & <hum>", num_correct=3)
    analysis = replace(analysis, robustness=Robustness((as_recorded, noise), ()))
    folder = tmp_path_factory.mktemp("report")
    page = write_report(folder, tested.evaluation, tested.checkpoint, origin, analysis)
    return page.read_text()


@pytest.mark.parametrize("name", ["page", "full_page"])
def test_the_page_is_well_formed_and_needs_no_network(name, parse, request):
    text = request.getfixturevalue(name)
    text = text if isinstance(text, str) else text.read_text()
    parsed = parse(text)
    assert parsed.open == []
    assert all(one.startswith("data:") for one in parsed.addresses)
    assert not {"script", "link", "iframe", "object", "embed"} & set(parsed.tags)
    assert not re.search(r"url\((?!#)|@import|srcset|(src|href)=[\"']?(https?:)?//", text)


def test_the_page_shows_metrics_errors_and_skipped_files(page, evaluation, parse):
    text = parse(page.read_text()).text
    for bound in evaluation.scores.accuracy_interval:
        assert f"{bound:.1%}" in text
    assert "2 of 3" in text
    assert "b<b>.wav" in text
    assert "bad.wav: the file is empty" in text
    assert "music & <noise>" in text


def test_the_page_names_the_model_and_the_data(page, parse, origin):
    parsed = parse(page.read_text())
    assert parsed.data["fact"] == ["Model", "Data", "File names", "Date", "earmark"]
    assert str(origin.model) in parsed.text
    assert origin.data in parsed.text
    assert origin.naming in parsed.text


def test_the_contents_link_to_every_section(full_page, parse):
    parsed = parse(full_page)
    assert parsed.links == parsed.anchors == [
        *("labels", "confusion-and-curves", "baselines", "calibration", "coverage", "slices"),
        "robustness",
        *("examples", "errors", "training", "model"),
    ]  # fmt: skip


def test_vectors_have_no_examples(tested, analysis, tmp_path, origin, parse):
    checkpoint = tested.checkpoint
    config = checkpoint.spec.config
    embedder = EmbedderConfig(
        **{"file": "e.onnx", "digest": "d", "licence": "CC0", "input": "a", "output": "b"},
        **{"sample_rate": 16_000, "takes": "waveform", "window_length": 320, "dimensions": 40},
    )
    features = config.features.model_copy(update={"embedder": embedder})
    spec = replace(checkpoint.spec, config=config.model_copy(update={"features": features}))
    on_vectors = replace(checkpoint, spec=spec)
    page = write_report(tmp_path, tested.evaluation, on_vectors, origin, analysis)
    assert "examples" not in parse(page.read_text()).anchors


def test_skipped_files_have_a_section(page, parse):
    assert "skipped-files" in parse(page.read_text()).anchors


def test_every_picture_and_player_has_an_alternative_text(full_page, parse):
    parsed = parse(full_page)
    assert parsed.tags.count("audio") == 10
    assert parsed.tags.count("svg") >= 15
    assert len(parsed.labels) == parsed.tags.count("svg") + parsed.tags.count("audio") + 1
    assert all(parsed.labels)


def test_the_page_is_small(full_page):
    assert len(full_page) < 3_000_000


def test_the_page_shows_conditions_and_clips(full_page, analysis, parse):
    text = parse(full_page).text
    assert "noise & <hum>" in text
    assert analysis.worst[0].clip.name in text


def test_predictions_and_a_model_card_are_written_beside_the_page(page, evaluation):
    assert page.with_name("predictions.csv").read_text() == evaluation.to_csv()
    assert page.with_name("model_card.md").exists()


@pytest.mark.parametrize("label", [r"$\foo$", "a$b$", "caf\udce9", "\u97f3", "{{ 1 }}"])
def test_a_label_is_shown_as_it_is_written(tmp_path, checkpoint, evaluation, label, parse, origin):
    labels = (label, "speech")
    spec = replace(checkpoint.spec, labels=labels)
    evaluation = replace(evaluation, labels=labels)
    page = write_report(tmp_path, evaluation, replace(checkpoint, spec=spec), origin)
    shown = label.encode(errors="backslashreplace").decode()
    # In the titles of window and page, both sides of the confusion matrix, and a row of labels.
    assert parse(page.read_text()).text.count(shown) >= 5


def test_clips_whose_names_are_not_unicode_are_reported(
    tmp_path, evaluation, checkpoint, parse, origin
):
    name = os.fsdecode(b"caf\xe9.wav")
    predictions = evaluation.predictions
    clips = (predictions.clips[0], replace(predictions.clips[1], name=name), predictions.clips[2])
    evaluation = replace(evaluation, uncalibrated=replace(predictions, clips=clips))
    page = write_report(tmp_path, evaluation, checkpoint, origin)
    assert b"\ncaf\xe9.wav," in page.with_name("predictions.csv").read_bytes()
    assert "caf\\udce9.wav" in parse(page.read_text()).text


def test_many_labels_make_a_page(tmp_path, parse, origin):
    labels = tuple(f"label {index}" for index in range(60))
    rng = np.random.default_rng(0)
    clips = tuple(Clip(f"{n}.wav", ClipKey(f"{n}"), (n % 60,)) for n in range(120))
    spec = ModelSpec(Config(), labels, 51, MULTI_CLASS)
    predictions = Predictions(clips, rng.normal(size=(120, 60)), MULTI_CLASS)
    model = Checkpoint(spec, new_network(spec).state_dict())
    page = write_report(tmp_path, Evaluation(predictions, labels, spec.rule), model, origin)
    parsed = parse(page.read_text())
    assert parsed.open == []
    assert "Labels" in parsed.data["fact"]
    assert "confusion" not in parsed.data.get("figure", [])
    # Two plots with twelve curves each.
    assert len(re.findall(r"label \d+ 0\.\d{3}", parsed.text)) == 24


def test_several_labels_at_once_make_a_page(tmp_path, parse, origin):
    labels = ("a", "b", "c")
    clips = tuple(
        Clip(f"{n}.wav", ClipKey(f"{n}"), targets) for n, targets in enumerate([(), (0,), (0, 2)])
    )
    spec = ModelSpec(Config(), labels, 51, MULTI_LABEL)
    logits = np.array([[-1.0, -2, -1], [2, -1, 1], [1, -1, 2]])
    evaluation = Evaluation(Predictions(clips, logits, MULTI_LABEL), labels, spec.rule)
    model = Checkpoint(spec, new_network(spec).state_dict())
    parsed = parse(write_report(tmp_path, evaluation, model, origin).read_text())
    assert {"mAP", "lwlrap", "Micro F1"} <= set(parsed.data["metric"])
    assert "confusion" not in parsed.data.get("figure", [])
