"""The specification by itself; files with it are in test_checkpoint.py."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.config import Config, load_config
from earmark.config.renamed import RENAMED
from earmark.errors import CheckpointError, ConfigError
from earmark.models.spec import FORMAT, METADATA_KEY, ModelSpec, read_spec
from earmark.tasks.false_alarms import KnownScores
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

SPEC = ModelSpec(load_config(settings=["model.blocks.0.channels=4"]), ("music", "speech"), 51)


def read(text):
    return read_spec({METADATA_KEY: text}, "a model.onnx")


@st.composite
def arguments(draw):
    """Of a specification, as plain values: hypothesis forbids type checks in a strategy."""
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


@given(
    plain=arguments(),
    progress=st.dictionaries(st.text(), st.integers() | st.text() | st.none()),
)
def test_a_specification_is_read_as_it_was_written(plain, progress):
    spec = ModelSpec(load_config(settings=plain[0]), *plain[1])
    text = spec.to_text(progress=progress)
    found, found_progress = read(text)
    assert found_progress == progress
    assert (found.config, found.labels, found.window_frames) == (
        spec.config, spec.labels, spec.window_frames,
    )  # fmt: skip
    # The task's own thresholds are written, too, so that a later default changes no model.
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


FACTS = json.loads(SPEC.to_text())
PLACES = list(places(FACTS))


def refused(text):
    """The error of an invalid specification; None for a valid one."""
    try:
        spec, progress = read(text)
    except CheckpointError as error:
        return str(error)
    assert isinstance(spec, ModelSpec)
    assert isinstance(progress, dict)
    assert read(spec.to_text(progress=progress))[0] == spec
    return None


@settings(max_examples=300)
@given(place=st.sampled_from(PLACES), value=json_values, key=st.none() | st.text(max_size=5))
def test_a_changed_specification_is_valid_or_refused_in_one_line(place, value, key):
    whole = inner = {"spec": copy.deepcopy(FACTS)}
    *way, last = ("spec", *place)
    for step in way:
        inner = inner[step]
    if key is not None and isinstance(inner[last], dict):
        inner, last = inner[last], key
    inner[last] = value
    message = refused(json.dumps(whole["spec"]))
    if message is not None:
        assert message.startswith("a model.onnx: ")
        assert len(message.splitlines()) == 1


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_other_text_is_refused(text):
    assert refused(text).startswith("a model.onnx: ")


def test_a_key_of_several_lines_is_reported_on_one():
    for change in ({"x\ny": 1}, {"config": {"x\ny": 1}}, {"config": {"model": {"x\ny": 1}}}):
        assert "x y" in refused(json.dumps(FACTS | change)).splitlines()[0]


@pytest.mark.parametrize(("version", "key"), [(1, "older"), (FORMAT + 1, "newer")])
def test_another_version_is_reported_before_its_facts_are_read(version, key):
    assert key in refused(json.dumps({"format": version, "nothing": "else"}))


def test_metadata_without_a_specification_are_named():
    with pytest.raises(CheckpointError, match=r"a\.onnx"):
        read_spec({"producer": "other"}, "a.onnx")


SETTINGS = {
    section: sorted(getattr(Config(), section).model_dump()) for section in Config.model_fields
}


@pytest.mark.parametrize("section", SETTINGS)
def test_only_what_does_not_touch_the_weights_can_be_changed(section):
    name = SETTINGS[section][0]
    if section in ("evaluate", "predict"):
        with pytest.raises(ConfigError, match=f"{section}.nothing"):
            SPEC.adjust([f"{section}.nothing=1"])
    else:
        with pytest.raises(ConfigError, match=rf"{section}\.{name}"):
            SPEC.adjust(["predict.overlap=0.5", f" {section}.{name}=1"])


@given(st.floats(0, 0.99), st.floats(-200, 0))
def test_adjusting_changes_the_decision_rule_and_nothing_else(min_probability, silence_db):
    before = SPEC.to_text()
    changed = SPEC.adjust(
        [f"predict.min_probability={min_probability}", f"predict.silence_db={silence_db}"]
    )
    rule = changed.rule
    assert (rule.min_probability, rule.silence_db) == (min_probability, silence_db)
    assert SPEC.to_text() == before
    undone = changed.adjust(["predict.min_probability=0.0", "predict.silence_db=-80.0"])
    assert undone == SPEC


def test_a_silence_level_below_zero_decides_what_silence_is():
    rule = SPEC.adjust(["predict.silence_db=-50"]).rule
    decisions = rule.decide(np.array([[3.0], [3.0]]), np.array([-50.1, -49.9]))
    assert decisions.abstained == ("silence", None)


@pytest.mark.parametrize(
    ("task", "labels", "outputs", "thresholds"),
    [(BINARY, 2, 1, 1), (MULTI_CLASS, 3, 3, 0), (MULTI_LABEL, 3, 3, 3)],
)
def test_the_task_sets_how_many_outputs_and_thresholds_there_are(task, labels, outputs, thresholds):
    spec = ModelSpec(Config(), tuple("abc"[:labels]), 51, task)
    assert spec.num_outputs == outputs
    assert len(spec.thresholds) == thresholds
    facts = json.loads(spec.to_text())
    facts["thresholds"] = [0.5] * (thresholds + 1)
    assert "thresholds" in refused(json.dumps(facts))


def test_windows_and_steps_are_in_seconds_and_frames():
    assert SPEC.window_seconds == 1.0
    assert SPEC.step_frames() == 51
    assert SPEC.adjust(["predict.overlap=0.5"]).step_frames() == 26
    assert SPEC.step_frames(0.1) == 5
    assert SPEC.step_frames(1e-6) == 1
    for hop_seconds in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="hop_seconds"):
            SPEC.step_frames(hop_seconds)


def test_the_rule_pools_as_the_settings_say():
    logits, clips = np.array([[-4.0], [1.0]]), np.array([0, 0])
    assert SPEC.rule.pool(logits, clips) == [[-1.5]]
    assert SPEC.adjust(["predict.pooling=max"]).rule.pool(logits, clips) == [[-4.0]]


def test_an_old_setting_of_a_trained_model_is_refused_with_its_new_name():
    spec = ModelSpec(Config(), ("music", "speech"), window_frames=51)
    for setting in ("train.clip_norm=1", "predict.min_seconds=1"):
        old = setting.partition("=")[0]
        with pytest.raises(ConfigError, match=RENAMED[old]):
            spec.adjust([setting])
    with pytest.raises(ConfigError, match="overlap"):
        spec.adjust("predict.overlap=0.5")


@pytest.mark.parametrize(("n_mels", "frames"), [(40, 1_000_000), (40, 209_716), (1024, 8193)])
def test_windows_of_too_many_values_are_refused_with_the_name_of_the_model(n_mels, frames):
    spec = ModelSpec(load_config(), ("a", "b"), window_frames=51)
    table = json.loads(spec.to_text()) | {"window_frames": frames}
    table["config"]["features"] |= {"n_mels": n_mels, "n_fft": 16_384}
    with pytest.raises(CheckpointError, match=r"model\.onnx"):
        read_spec({METADATA_KEY: json.dumps(table)}, "model.onnx")


def test_the_label_of_silence_is_kept_and_sets_the_rule():
    spec = replace(SPEC, silence_label="speech")
    found, _ = read(spec.to_text())
    assert found.silence_label == "speech"
    assert found.rule.silence_label == 1
    assert "silence_label" not in SPEC.to_text()


def test_a_label_of_silence_that_is_no_label_is_refused():
    text = SPEC.to_text(silence_label="noise")
    with pytest.raises(CheckpointError, match="silence_label"):
        read(text)


BACKGROUND = "_background_"


def test_the_background_label_is_kept_and_never_an_answer():
    spec = replace(SPEC, labels=(BACKGROUND, "speech"))
    found, _ = read(spec.to_text())
    assert found.background_label == BACKGROUND
    assert found.answers == ("speech",)
    assert found.rule.background == 0


@pytest.mark.parametrize("task", [BINARY, MULTI_CLASS, MULTI_LABEL], ids=lambda one: one.name)
def test_without_background_every_label_is_an_answer(task):
    spec = replace(SPEC, task=task)
    assert (spec.background_label, spec.rule.background) == (None, None)
    assert spec.answers == SPEC.labels


def test_every_label_of_an_older_file_is_an_answer():
    table = json.loads(replace(SPEC, labels=(BACKGROUND, "speech")).to_text())
    del table["config"]["train"]["background_label"]
    found, _ = read(json.dumps({**table, "format": 4}))
    assert found.answers == (BACKGROUND, "speech")
    assert read(found.to_text())[0].answers == (BACKGROUND, "speech")


def test_known_scores_are_kept_and_set_two_thresholds():
    known = KnownScores(
        tuple(np.linspace(1, 2, 30).tolist()), tuple(np.linspace(1, 4, 90).tolist())
    )
    spec = replace(SPEC, known_scores=known)
    assert read(spec.to_text())[0].known_scores == known
    assert spec.window_rule.max_novelty > 4.0
    assert spec.rule.max_novelty > 2.0
    assert spec.adjust(["predict.false_alarm_rate=0.5"]).rule.max_novelty < 1.6
    assert spec.adjust(["predict.false_alarm_rate=0"]).rule.max_novelty == math.inf
    assert SPEC.rule.max_novelty == SPEC.window_rule.max_novelty == math.inf


@pytest.mark.parametrize("clips", [[2.0, 1.0], [1.0] * 501, ["a"]])
def test_known_scores_that_are_none_are_refused(clips):
    table = json.loads(SPEC.to_text())
    table["known_scores"] = {"clips": clips, "windows": []}
    with pytest.raises(CheckpointError, match=r"known_scores"):
        read(json.dumps(table))
