"""Findings about labels."""

import pytest

from earmark.audit.audit import check
from earmark.config import TrainConfig
from earmark.data.labels import choose_task
from earmark.data.splits import with_splits
from earmark.errors import DataError


def test_a_label_without_recordings_in_a_split_is_a_warning(tmp_path, write_clip, recording, data):
    paths = [write_clip(tmp_path / f"{seed}.wav", seed=seed) for seed in range(3)]
    known = (("x", "train"), ("y", "train"), ("x", "test"))
    found = check(data([recording(path, *known) for path, known in zip(paths, known, strict=True)]))
    (finding,) = found.findings
    assert finding.kind == "missing_label"
    assert {"y", "test;"} <= set(finding.message.split())


@pytest.mark.parametrize(
    ("groups", "kinds"),
    [
        ({"x": "abc", "y": "def"}, []),
        ({"x": "abc", "y": "ddd"}, ["few_groups"]),
        ({"x": "abc"}, ["missing_label"]),
        ({"x": "aaa"}, ["missing_label", "few_groups"]),
    ],
)
def test_what_training_would_refuse_is_a_warning(
    tmp_path, write_clip, groups, kinds, recording, data
):
    recordings = [
        recording(
            write_clip(tmp_path / f"{label}{seed}.wav", seed=10 * seed + ord(label)),
            label,
            None,
            group,
        )
        for label, letters in groups.items()
        for seed, group in enumerate(letters)
    ]
    manifest = data(recordings)
    assert [one.kind for one in check(manifest).findings] == kinds
    if kinds:
        with pytest.raises(DataError):
            choose_task(with_splits(manifest, TrainConfig()), TrainConfig())


def test_unbalanced_labels_are_noted(tmp_path, write_clip, recording, data):
    paths = [write_clip(tmp_path / f"{seed}.wav", seed=seed) for seed in range(15)]
    found = check(data([recording(path, "xy"[path.stem in {"0", "1", "2"}]) for path in paths]))
    (note,) = [one for one in found.notes if one.kind == "unbalanced"]
    assert "12 recordings of x, 3 of y" in note.message


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (("dog", "dog", "Dog"), "similar_names"),
        (("dog_1", "dog_1", "dog 1"), "similar_names"),
        (("dog", "cat", "nan"), "missing_value"),
        (("dog", "cat", "dog,cat"), "joined_labels"),
    ],
)
def test_a_planted_mistake_in_a_label_is_a_warning(
    tmp_path, write_clip, recording, data, labels, kind
):
    recordings = [
        recording(write_clip(tmp_path / f"{seed}.wav", seed=seed), label)
        for seed, label in enumerate(labels)
    ]
    (found,) = [one for one in check(data(recordings)).findings if one.kind != "few_groups"]
    assert (found.kind, found.severity, found.paths) == (kind, "warning", ("2.wav",))
