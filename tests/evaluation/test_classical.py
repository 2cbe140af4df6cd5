"""A support vector machine on statistics of features: what it sees, and what it cannot break on."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.fft

from earmark.errors import DataError
from earmark.evaluation import classical
from earmark.evaluation.classical import (
    CANDIDATES,
    DEFAULT,
    choose_labels,
    clip_statistics,
    fit_classical,
)
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL, multi_hot


def make_frames(rng, num_frames=60, n_mels=40):
    return rng.normal(-40, 12, (num_frames, n_mels)).astype(np.float16)


def make_clips(rng, targets, num_labels, spread=1.0):
    """Statistics of which each label raises columns of its own."""
    rows = rng.normal(0, spread, (len(targets), 3 * num_labels + 1))
    for row, labels in zip(rows, targets, strict=True):
        for label in labels:
            row[3 * label : 3 * label + 3] += 4.0
    return rows, multi_hot(targets, num_labels)


def fitted(rng, targets, num_labels, task, groups=None):
    rows, known = make_clips(rng, targets, num_labels)
    names = groups or [str(index // 2) for index in range(len(rows))]
    return fit_classical(rows, known, names, task), rows, known


def accuracy(model, rows, known):
    return (choose_labels(model.task, model.logits(rows)) == known).all(axis=1).mean()


@pytest.mark.parametrize("n_mels", [12, 40, 96])
def test_the_statistics_are_those_of_the_textbook(rng, n_mels):
    frames = make_frames(rng, n_mels=n_mels)
    frames[:7] -= 60
    levels = frames.astype(np.float64)
    number = min(20, n_mels)
    cosines = scipy.fft.dct(np.eye(n_mels), type=2, norm="ortho", axis=0)[:number]
    cepstra = np.array([cosines @ frame for frame in levels])
    slopes = cepstra.copy()
    slopes[0], slopes[-1] = cepstra[1] - cepstra[0], cepstra[-1] - cepstra[-2]
    for frame in range(1, len(cepstra) - 1):
        slopes[frame] = (cepstra[frame + 1] - cepstra[frame - 1]) / 2
    loud = cepstra[7:]
    assert (levels[7:].max(axis=1) >= levels.max() - 30).all()
    assert (levels[:7].max(axis=1) < levels.max() - 30).all()
    expected = [
        one for part in (cepstra, slopes, loud, levels) for one in (part.mean(0), part.std(0))
    ]
    assert clip_statistics(frames) == pytest.approx(np.concatenate(expected), abs=1e-9)


@pytest.mark.parametrize("num_frames", [1, 2, 3])
@pytest.mark.parametrize("level", [-100.0, 0.0])
def test_few_frames_and_silence_have_finite_statistics(num_frames, level):
    found = clip_statistics(np.full((num_frames, 40), level, np.float16))
    assert found.shape == (200,)
    assert np.isfinite(found).all()
    assert found[40:80] == pytest.approx(0.0, abs=1e-9)


def test_of_a_long_clip_excerpts_stand_for_the_whole(rng, monkeypatch):
    frames = make_frames(rng, 6000)
    frames[3000:] += 20
    whole = clip_statistics(frames)
    monkeypatch.setattr(classical, "MAX_FRAMES", 640)
    used = []
    dct = scipy.fft.dct
    monkeypatch.setattr(
        scipy.fft, "dct", lambda rows, **how: used.append(len(rows)) or dct(rows, **how)
    )
    part = clip_statistics(frames)
    assert used == [640]
    assert part[-80:-40] == pytest.approx(whole[-80:-40], abs=3.0)


@pytest.mark.parametrize(
    ("task", "num_labels", "num_outputs"), [(BINARY, 2, 1), (MULTI_CLASS, 3, 3)]
)
def test_easy_data_is_learnt(rng, task, num_labels, num_outputs):
    targets = [(index % num_labels,) for index in range(60)]
    model, _, _ = fitted(rng, targets, num_labels, task)
    rows, known = make_clips(rng, targets, num_labels)
    assert model.logits(rows).shape == (60, num_outputs)
    assert accuracy(model, rows, known) > 0.95
    assert model.parameters in CANDIDATES


def test_labels_of_a_multi_label_task_are_independent(rng):
    targets = [[(), (0,), (1,), (0, 1)][index % 4] for index in range(80)]
    model, _, _ = fitted(rng, targets, 2, MULTI_LABEL)
    rows, known = make_clips(rng, targets, 2)
    assert accuracy(model, rows, known) > 0.9


def test_noise_is_not_learnt(rng):
    rows = rng.normal(size=(120, 10))
    known = multi_hot([(index % 2,) for index in range(120)], 2)
    model = fit_classical(rows[:60], known[:60], list(map(str, range(60))), BINARY)
    assert 0.25 < accuracy(model, rows[60:], known[60:]) < 0.75


def test_the_same_clips_give_the_same_model(rng):
    rows, known = make_clips(rng, [(index % 3,) for index in range(45)], 3, spread=3.0)
    groups = [str(index // 3) for index in range(45)]
    first, second = (fit_classical(rows, known, groups, MULTI_CLASS) for _ in range(2))
    assert first.parameters == second.parameters
    assert (first.logits(rows) == second.logits(rows)).all()


def test_labels_without_a_clip_and_those_of_every_clip_need_no_machine(rng):
    targets = [(0, 2) if index % 2 else (2,) for index in range(20)]
    model, rows, known = fitted(rng, targets, 4, MULTI_LABEL)
    chosen = choose_labels(MULTI_LABEL, model.logits(rows))
    assert chosen[:, 2].all()
    assert not chosen[:, [1, 3]].any()
    assert accuracy(model, rows, known) > 0.9


def test_a_label_that_training_lacks_is_never_predicted(rng):
    model, rows, known = fitted(rng, [(index % 2,) for index in range(20)], 3, MULTI_CLASS)
    assert accuracy(model, rows, known) > 0.9
    assert not choose_labels(MULTI_CLASS, model.logits(rows))[:, 2].any()


@pytest.mark.parametrize("task", [BINARY, MULTI_CLASS, MULTI_LABEL])
def test_a_label_with_one_clip_does_not_stop_the_fit(rng, task):
    model, rows, _ = fitted(rng, [(0,)] * 9 + [(1,)], 2, task)
    assert np.isfinite(model.logits(rows)).all()


@pytest.mark.parametrize("num_clips", [2, 3, 8])
def test_few_groups_and_clips_are_enough(rng, num_clips):
    targets = [(index % 2,) for index in range(num_clips)]
    model, rows, _ = fitted(rng, targets, 2, BINARY, ["a"] * num_clips)
    assert model.parameters == DEFAULT
    model, rows, _ = fitted(rng, targets, 2, BINARY, ["a"] * (num_clips - 1) + ["b"])
    assert np.isfinite(model.logits(rows)).all()


def test_clips_with_the_same_labels_cannot_be_told_apart(rng):
    rows, known = make_clips(rng, [(1,)] * 6, 2)
    with pytest.raises(DataError):
        fit_classical(rows, known, list("abcdef"), BINARY)


def test_a_column_that_is_constant_in_training_does_not_decide_a_test(rng):
    targets = [(index % 2,) for index in range(30)]
    rows, known = make_clips(rng, targets, 2)
    rows[:, -1] = -100.0
    model = fit_classical(rows, known, list(map(str, range(30))), BINARY)
    rows[:, -1] = 20.0
    assert accuracy(model, rows, known) > 0.9


def test_of_many_clips_a_sample_is_used(rng, monkeypatch):
    monkeypatch.setattr(classical, "MAX_CLIPS", 40)
    monkeypatch.setattr(classical, "MAX_CLIPS_TO_CHOOSE", 20)
    monkeypatch.setattr(classical, "MAX_LABELS", 2)
    targets = [(index % 2,) for index in range(100)]
    model, rows, known = fitted(rng, targets, 2, BINARY)
    assert model.num_clips == len(model.rows) == 40
    assert accuracy(model, rows, known) > 0.95
    targets = [(index % 8,) for index in range(100)]
    assert fitted(rng, targets, 8, MULTI_LABEL)[0].num_clips == 20
    assert fitted(rng, targets, 8, MULTI_CLASS)[0].num_clips == 40


def test_other_clips_do_not_change_the_outputs_of_one(rng):
    model, rows, _ = fitted(rng, [(index % 2,) for index in range(20)], 2, BINARY)
    assert model.logits(rows[:1])[0] == pytest.approx(model.logits(rows)[0])
    other = replace(model, parameters=DEFAULT)
    assert other.logits(rows).shape == (20, 1)


@pytest.mark.filterwarnings("error")
def test_many_labels_of_a_clip_each_are_no_cause_for_a_warning(rng):
    fitted(rng, [(n % 20,) for n in range(24)], 20, MULTI_CLASS)
