from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from earmark.evaluation.analysis.analyze import Analysis
from earmark.evaluation.analysis.robustness import Robustness
from earmark.report.model import Origin
from earmark.report.model_card import UNKNOWN, render_model_card

ORIGIN = Origin(Path("runs/rooms: #1/best.safetensors"), 'data/my "rooms".csv')


def split(card):
    empty, front_matter, text = card.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(front_matter), text


@pytest.fixture
def card(tested):
    return render_model_card(tested.evaluation, tested.checkpoint, ORIGIN)


def test_the_front_matter_has_the_fields_of_the_hub(card, tested):
    facts, _ = split(card)
    assert facts["library_name"] == "earmark"
    assert facts["pipeline_tag"] == "audio-classification"
    assert "binary" in facts["tags"]
    (index,) = facts["model-index"]
    assert index["name"] == "rooms: #1"
    (result,) = index["results"]
    assert result["dataset"]["name"] == 'my "rooms".csv'
    values = {one["type"]: one["value"] for one in result["metrics"]}
    assert values["accuracy"] == pytest.approx(tested.evaluation.scores.accuracy, abs=1e-6)
    assert set(values) == set(facts["metrics"])


def test_what_is_unknown_is_not_stated(card):
    facts, text = split(card)
    assert "license" not in facts
    assert "datasets" not in facts
    assert "language" not in facts
    for title in ("Training data", "Licence"):
        assert f"## {title}\n\n{UNKNOWN}" in text
    assert text.count("not stated") + text.count(UNKNOWN) >= 4


def test_every_section_is_there_with_the_metrics_of_the_report(card, tested):
    _, text = split(card)
    for title in ("Intended use", "Training data", "Test data", "Metrics", "Limits", "Licence"):
        assert f"\n## {title}\n" in text
    scores = tested.evaluation.scores
    assert f"({scores.num_correct} of {scores.num_clips})" in text
    assert f"{scores.accuracy_interval[0]:.1%} to {scores.accuracy_interval[1]:.1%}" in text


def test_the_run_lists_the_training_data(tested, tmp_path):
    (tmp_path / "recordings.csv").write_text(
        "name,label,split,fold,group,start,end,key\n"
        "a,noise,train,,a,,,k1\nb,tone,train,,b,,,k2\nc,tone,validation,,c,,,k3\n"
        "d,tone,train,,d,,,\ne,tone,test,,e,,,\n"
    )
    origin = replace(ORIGIN, run=tmp_path)
    text = render_model_card(tested.evaluation, tested.checkpoint, origin)
    assert "- training: 2 recordings (noise 1, tone 1)\n" in text
    assert "- validation: 1 recordings (tone 1)\n" in text


def test_a_run_without_validation_has_no_line_for_it(tested, tmp_path):
    (tmp_path / "recordings.csv").write_text(
        "name,label,split,fold,group,start,end,key\na,noise,train,,a,,,k1\n"
    )
    text = render_model_card(tested.evaluation, tested.checkpoint, replace(ORIGIN, run=tmp_path))
    assert "- training: 1 recordings (noise 1)\n" in text
    assert "validation:" not in text


def test_names_in_the_front_matter_are_what_they_are(tested, tmp_path, monkeypatch):
    here = tmp_path / "rooms \U0001f600"
    here.mkdir()
    monkeypatch.chdir(here)
    origin = Origin(Path("\U0001f600 \u97f3/best.safetensors"), ".")
    facts, text = split(render_model_card(tested.evaluation, tested.checkpoint, origin))
    (index,) = facts["model-index"]
    assert index["name"] == "\U0001f600 \u97f3"
    assert index["results"][0]["dataset"]["name"] == here.name
    assert here.name in text


def test_limits_name_slices_and_conditions(tested, bad_part, as_recorded):
    worse = replace(bad_part, value="hall|1")
    noise = replace(
        as_recorded,
        condition="white noise, 0 dB",
        num_lost=4,
        num_gained=1,
        num_correct=3,
        accuracy_interval=(0.1, 0.5),
        loss=1.0,
    )
    analysis = Analysis((worse,), (), (), (), Robustness((noise,), ()))
    text = render_model_card(tested.evaluation, tested.checkpoint, ORIGIN, analysis)
    limits = text[text.index("## Limits") :]
    slice_parts = ("room hall\\|1", "10.0%", "5.0% to 20.0%")
    for part in (*slice_parts, "white noise, 0 dB", "25.0%", "3 of 12"):
        assert part in limits


def test_labels_cannot_break_the_text(tested):
    labels = ("a | b *c*\n# d", "caf\udce9")
    evaluation = replace(tested.evaluation, labels=labels)
    checkpoint = replace(tested.checkpoint, spec=replace(tested.checkpoint.spec, labels=labels))
    text = render_model_card(evaluation, checkpoint, ORIGIN)
    text.encode()
    assert "| a \\| b \\*c\\* \\# d |" in text
    assert "\n# d" not in text


def test_teachers_are_named(tested, card):
    assert "distilled" not in card
    taught = tested.checkpoint.spec.config.with_train(teachers=("runs/large", "runs/larger"))
    checkpoint = replace(tested.checkpoint, spec=replace(tested.checkpoint.spec, config=taught))
    text = render_model_card(tested.evaluation, checkpoint, ORIGIN)
    assert "distilled from large, larger" in text


def test_a_refit_is_named(tested, card):
    assert "first training" not in card
    twice = tested.checkpoint.spec.config.with_train(refit=True)
    checkpoint = replace(tested.checkpoint, spec=replace(tested.checkpoint.spec, config=twice))
    assert "first training" in render_model_card(tested.evaluation, checkpoint, ORIGIN)


@pytest.mark.parametrize(
    ("data", "name"),
    [("rooms", "rooms"), ("rooms/manifest.csv", "rooms"), ("rooms/small.csv", "small.csv")],
)
def test_data_have_the_name_of_their_folder_or_table(tested, data, name):
    origin = replace(ORIGIN, data=data)
    facts, _ = split(render_model_card(tested.evaluation, tested.checkpoint, origin))
    assert facts["model-index"][0]["results"][0]["dataset"]["name"] == name
