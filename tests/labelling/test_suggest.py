"""What to label next: the order of each strategy, and a choice without repetition."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.config import Config
from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError
from earmark.inference.classifier import load_model
from earmark.labelling.candidates import Candidates, collect_candidates
from earmark.labelling.queue import write_queue
from earmark.labelling.suggest import NEAR_DUPLICATE, STRATEGIES, labelled_parts, suggest
from earmark.models.spec import ModelSpec
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

SECONDS = 1.0


def candidates(files, *, task=MULTI_CLASS, vectors=None, probabilities=None, **others):
    """Windows of 1 s, end to end in each recording; `files` has the recording of each."""
    rng, size = np.random.default_rng(0), len(files)
    labels = ("a", "b") if task is BINARY else ("a", "b", "c")
    if probabilities is None:
        probabilities = rng.dirichlet(np.ones(len(labels)), size)
    probabilities = np.asarray(probabilities, np.float32)
    starts = np.array([files[:at].count(one) for at, one in enumerate(files)], float)
    found = {
        "spec": ModelSpec(Config(), labels, 51, task),
        "paths": tuple(Path(f"{number}.wav") for number in range(max(files) + 1)),
        "files": np.array(files),
        "starts": starts,
        "ends": starts + SECONDS,
        "vectors": rng.normal(size=(size, 16)) if vectors is None else vectors,
        "probabilities": probabilities,
        "chosen": probabilities == probabilities.max(axis=1, keepdims=True),
        "novelty": rng.normal(size=size).astype(np.float32),
        **others,
    }
    found["vectors"] = np.asarray(found["vectors"], np.float32)
    return Candidates(**found)


def places(found):
    return [(int(one.path.stem), int(one.start)) for one in found]


@pytest.mark.parametrize(
    ("task", "rows", "order"),
    [
        (MULTI_CLASS, [[0.9, 0.1, 0.0], [0.4, 0.35, 0.25], [0.6, 0.3, 0.1]], [1, 2, 0]),
        (BINARY, [[0.5, 0.5], [0.1, 0.9], [0.7, 0.3]], [0, 2, 1]),
        (MULTI_LABEL, [[0.9, 0.9, 0.9], [0.1, 0.55, 0.9], [0.3, 0.9, 0.9]], [1, 2, 0]),
    ],
    ids=["multi-class", "binary", "multi-label"],
)
def test_margin_begins_at_the_boundary(task, rows, order):
    found = suggest(candidates([0, 1, 2], task=task, probabilities=rows), 3)
    assert [number for number, _ in places(found)] == order
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_novelty_begins_with_the_least_known_and_needs_a_score():
    given = candidates([0, 1, 2], novelty=np.array([1.0, 3.0, 2.0], np.float32))
    assert [number for number, _ in places(suggest(given, 2, "novelty"))] == [1, 2]
    without = candidates([0, 1], novelty=np.full(2, np.nan, np.float32))
    with pytest.raises(ConfigError):
        suggest(without, 2, "novelty")


def test_diverse_takes_one_of_each_cluster_and_none_that_has_a_label(rng):
    centers = 10 * np.eye(6)[np.repeat(np.arange(6), 10)]
    given = candidates(list(range(60)), vectors=centers + rng.normal(size=centers.shape))
    found = suggest(given, 6, "diverse", seed=3)
    assert sorted(number // 10 for number, _ in places(found)) == [0, 1, 2, 3, 4, 5]
    labelled = {Path("3.wav"): [(0.0, 1.0)], Path("41.wav"): [(0.0, np.inf)]}
    found = suggest(given, 4, "diverse", labelled=labelled)
    assert sorted(number // 10 for number, _ in places(found)) == [1, 2, 3, 5]


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=30),
    st.integers(1, 12),
    st.sampled_from(STRATEGIES),
    st.integers(0, 2),
)
@settings(max_examples=30)
def test_windows_do_not_repeat_and_recordings_take_turns(files, count, by, seed):
    given = candidates(files)
    found = suggest(given, count, by, seed=seed)
    assert found == suggest(given, count, by, seed=seed)
    chosen = places(found)
    assert len(set(chosen)) == len(chosen) == min(count, len(files))
    counts = {one: sum(number == one for number, _ in chosen) for one in set(files)}
    for one in counts:
        has_more = counts[one] < files.count(one)
        assert not has_more or counts[one] + 1 >= max(counts.values())


def test_near_duplicates_overlaps_and_labelled_sound_are_left_out(rng):
    vectors = rng.normal(size=(6, 16))
    vectors[1] = vectors[0] + 1e-3 * rng.normal(size=16)
    given = candidates([0, 1, 2, 3, 4, 5], vectors=vectors)
    numbers = {number for number, _ in places(suggest(given, 6, "random"))}
    assert len(numbers & {0, 1}) == 1
    assert numbers >= {2, 3, 4, 5}
    labelled = {Path("0.wav"): [(0.5, 0.7)], Path("9.wav"): [(0.0, 1.0)]}
    numbers = {number for number, _ in places(suggest(given, 6, "random", labelled=labelled))}
    assert numbers == {2, 3, 4, 5}
    overlapping = candidates(
        [0, 0, 0], starts=np.array([0.0, 0.5, 1.0]), ends=np.array([1, 1.5, 2.0])
    )
    assert len(suggest(overlapping, 3, "margin")) <= 2
    everything = {Path("0.wav"): [(0.0, 9.0)]}
    assert suggest(overlapping, 3, labelled=everything) == []
    assert 0.9 < NEAR_DUPLICATE < 1


def test_a_queue_reads_as_a_manifest_of_excerpts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = candidates([0, 0, 1])
    found = suggest(given, 3, "margin")
    (tmp_path / "queue").mkdir()
    path = tmp_path / "queue" / "next.csv"
    write_queue(path, found)
    header, *lines = path.read_text().splitlines()
    assert header == "path,start,end,predicted,probability,score,reason"
    rows = [line.split(",") for line in lines]
    labelled = "\n".join([f"{header},label", *(f"{line},x" for line in lines)])
    path.with_name("labels.csv").write_text(labelled)
    for row in rows:
        target = path.parent / row[0]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    manifest = read_manifest(path.with_name("labels.csv"))
    assert len(manifest) == 3
    assert labelled_parts(path.with_name("labels.csv")).keys() == {
        one.path for one in manifest.recordings
    }
    with pytest.raises(ConfigError):
        write_queue(path, found)
    write_queue(path, found[:1], overwrite=True)
    assert len(path.read_text().splitlines()) == 2
    with pytest.raises(ConfigError):
        write_queue(tmp_path / "queue.txt", found)


def test_windows_of_recordings_have_what_the_model_says_and_silence_is_left_out(
    write_clip, tmp_path
):
    classifier = load_model("speech-music")
    paths = [
        write_clip(tmp_path / "a.wav", 3.0, kind="tone"),
        write_clip(tmp_path / "silent.wav", 2.0, kind="silence"),
        tmp_path / "missing.wav",
    ]
    found, failed = collect_candidates(classifier, paths)
    assert [one.path for one in failed] == [tmp_path / "missing.wav"]
    assert (len(found), found.num_silent) == (3, 2)
    windows = list(classifier.windows(paths[0]))
    assert found.starts.tolist() == [one.start_seconds for one in windows]
    expected = [one.probabilities for one in windows]
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    np.testing.assert_array_equal(found.vectors, classifier.embed(paths[0]).vectors)
    for number, one in enumerate(windows):
        assert set(filter(None, found.predicted(number)[0].split(";"))) == set(one.labels)
    nothing, _ = collect_candidates(classifier, paths[1:2])
    assert len(nothing) == 0
    assert suggest(nothing, 5) == []
