"""The card by itself; single wrong facts and files around it are in test_checkpoint.py."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.config import Config, load_config
from earmark.errors import CheckpointError, ConfigError
from earmark.models.spec import FORMAT, METADATA_KEY, ModelSpec, read_spec
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

CARD = ModelSpec(load_config(settings=["model.blocks.0.channels=4"]), ("music", "speech"), 51)


def read(text):
    return read_spec({METADATA_KEY: text}, "a model.onnx")


@st.composite
def arguments(draw):
    """Of a card, as plain values: hypothesis forbids the type checks of tests in a strategy."""
    labels = draw(st.lists(st.text(min_size=1), min_size=2, max_size=5, unique=True))
    task = draw(st.sampled_from([MULTI_CLASS, MULTI_LABEL, *([BINARY] * (len(labels) == 2))]))
    count = {BINARY: 1, MULTI_CLASS: 0, MULTI_LABEL: len(labels)}[task]
    thresholds = draw(st.none() | st.tuples(*[st.floats(0, 1)] * count))
    settings = [
        f"predict.min_probability={draw(st.floats(0, 0.99))}",
        f"train.seed={draw(st.integers(0, 2**31))}",
    ]
    window_frames, temperature = draw(st.integers(1, 1000)), draw(st.floats(1e-3, 1e3))
    return settings, (tuple(labels), window_frames, task, thresholds or (), temperature)


@settings(deadline=None)
@given(
    plain=arguments(),
    progress=st.dictionaries(st.text(), st.integers() | st.text() | st.none()),
)
def test_a_card_comes_back_as_it_was_written(plain, progress):
    spec = ModelSpec(load_config(settings=plain[0]), *plain[1])
    text = spec.to_text(progress=progress)
    found, found_progress = read(text)
    assert found_progress == progress
    assert (found.config, found.labels, found.window_frames) == (
        spec.config, spec.labels, spec.window_frames,
    )  # fmt: skip
    # The task's own thresholds are written down, so that a later change of them changes no model.
    assert found.chosen_thresholds == spec.thresholds
    assert found.rule == spec.rule
    assert found.num_outputs == spec.num_outputs
    assert found.to_text(progress=dict(reversed(progress.items()))) == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def places(value, path=()):
    """Every place in a tree of plain values."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


FACTS = json.loads(CARD.to_text())
PLACES = list(places(FACTS))


def refused(text):
    """What is said of a text that is no card; None when it is one."""
    try:
        spec, progress = read(text)
    except CheckpointError as error:
        return str(error)
    assert isinstance(spec, ModelSpec)
    assert isinstance(progress, dict)
    assert read(spec.to_text(progress=progress))[0] == spec
    return None


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), value=json_values, key=st.none() | st.text(max_size=5))
def test_no_change_of_a_card_does_more_than_be_refused_in_a_line(place, value, key):
    whole = inner = {"card": copy.deepcopy(FACTS)}
    *way, last = ("card", *place)
    for step in way:
        inner = inner[step]
    if key is not None and isinstance(inner[last], dict):
        inner, last = inner[last], key
    inner[last] = value
    message = refused(json.dumps(whole["card"]))
    if message is not None:
        assert message.startswith("a model.onnx: ")
        assert len(message.splitlines()) == 1


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_a_text_that_is_no_card_is_refused(text):
    assert refused(text).startswith("a model.onnx: earmark's settings are")


def test_a_name_of_several_lines_is_told_on_one():
    for change in ({"x\ny": 1}, {"config": {"x\ny": 1}}, {"config": {"model": {"x\ny": 1}}}):
        assert "x y" in refused(json.dumps(FACTS | change)).splitlines()[0]


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (1, "written by an older earmark; train again"),
        (FORMAT + 1, "written by a newer earmark; update this one"),
    ],
)
def test_another_version_is_told_before_its_facts_are_read(version, message):
    assert refused(json.dumps({"format": version, "nothing": "else"})).endswith(message)


def test_metadata_without_a_card_are_named():
    with pytest.raises(CheckpointError, match=r"a\.onnx: weights without earmark's settings"):
        read_spec({"producer": "other"}, "a.onnx")


SETTINGS = {
    section: sorted(getattr(Config(), section).model_dump()) for section in Config.model_fields
}


@pytest.mark.parametrize("section", SETTINGS)
def test_only_what_does_not_touch_the_weights_can_be_changed(section):
    name = SETTINGS[section][0]
    if section in ("evaluate", "predict"):
        with pytest.raises(ConfigError, match=f"{section}.nothing"):
            CARD.adjust([f"{section}.nothing=1"])
    else:
        with pytest.raises(ConfigError, match="a trained model keeps its other settings"):
            CARD.adjust(["predict.overlap=0.5", f" {section}.{name}=1"])


@given(st.floats(0, 0.99), st.floats(-200, 0))
def test_adjusting_changes_how_is_decided_and_nothing_else(min_probability, silence_db):
    before = CARD.to_text()
    changed = CARD.adjust(
        [f"predict.min_probability={min_probability}", f"predict.silence_db={silence_db}"]
    )
    rule = changed.rule
    assert (rule.min_probability, rule.silence_db) == (min_probability, silence_db)
    assert CARD.to_text() == before
    undone = changed.adjust(["predict.min_probability=0.0", "predict.silence_db=-80.0"])
    assert undone == CARD


def test_a_silence_level_below_zero_decides_what_silence_is():
    rule = CARD.adjust(["predict.silence_db=-50"]).rule
    said = rule.decide(np.array([[3.0], [3.0]]), np.array([-50.1, -49.9]))
    assert said.abstained == ("silence", None)


@pytest.mark.parametrize(
    ("task", "labels", "outputs", "thresholds"),
    [(BINARY, 2, 1, 1), (MULTI_CLASS, 3, 3, 0), (MULTI_LABEL, 3, 3, 3)],
)
def test_the_task_says_how_many_outputs_and_thresholds_there_are(task, labels, outputs, thresholds):
    spec = ModelSpec(Config(), tuple("abc"[:labels]), 51, task)
    assert spec.num_outputs == outputs
    assert len(spec.thresholds) == thresholds
    facts = json.loads(spec.to_text())
    facts["thresholds"] = [0.5] * (thresholds + 1)
    assert f"{thresholds} are needed, not {thresholds + 1}" in refused(json.dumps(facts))
