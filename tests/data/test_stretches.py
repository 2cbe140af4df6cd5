"""A stretch hears nothing of its neighbours, and its figures are those of a clip cut there."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from earmark.config import FeatureConfig, load_config
from earmark.data.dataset import Clip
from earmark.data.manifest import read_manifest
from earmark.data.stretches import ExcerptDataset, ExcerptGrid, excerpt_grid
from earmark.errors import ConfigError
from earmark.evaluation.evaluate import evaluate, require_excerpts
from earmark.features.log_mel import LogMel
from earmark.features.store import FeatureStore
from earmark.models.checkpoint import Checkpoint, load_checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.report.document import render_report
from earmark.report.origin import Origin
from earmark.system.runtime import Runtime
from earmark.training.train import train

CPU = Runtime(torch.device("cpu"))
ODD = FeatureConfig(sample_rate=8000, n_fft=512, win_length=470, hop_length=193, n_mels=8)


@pytest.mark.parametrize("config", [FeatureConfig(), ODD], ids=["default", "odd"])
def test_sound_outside_of_a_stretch_does_not_reach_it_and_every_frame_that_it_spares_is_used(
    config, rng
):
    grid = excerpt_grid(0.5, config)
    length = grid.num_steps * config.hop_length
    log_mel = LogMel(config)
    sound = 0.1 * rng.standard_normal(3 * length).astype(np.float32)
    other = 0.1 * rng.standard_normal(3 * length).astype(np.float32)
    other[length : 2 * length] = sound[length : 2 * length]
    same = np.isclose(log_mel(sound), log_mel(other), atol=1e-4).all(axis=0)
    start = grid.starts(log_mel.num_frames(3 * length))[1]
    assert np.flatnonzero(same).tolist() == list(range(start, start + grid.num_frames))


@given(st.integers(1, 5000), st.integers(1, 60), st.integers(1, 8))
def test_stretches_lie_end_to_end_inside_the_clip(num_frames, extra, margin):
    grid = ExcerptGrid(num_steps=2 * margin + extra, margin=margin)
    starts = grid.starts(num_frames)
    if num_frames <= grid.num_steps:
        assert starts == [0]
    else:
        assert starts[0] == margin
        assert set(np.diff(starts)) <= {grid.num_steps}
        last = starts[-1] + grid.num_frames - 1 + margin
        assert last <= num_frames - 1 < last + grid.num_steps


def test_the_length_is_that_of_the_samples_inside():
    grid = excerpt_grid(1.0, FeatureConfig())
    assert (grid.num_steps, grid.num_frames) == (50, 47)


def test_a_clip_shorter_than_a_stretch_is_one_window(tmp_path, rng):
    config = load_config(settings=["evaluate.excerpt_seconds=1.0", "features.n_mels=4"])
    store = FeatureStore(tmp_path, config.features)
    frames = rng.standard_normal((20, 4)).astype(np.float16)
    with store.writer() as writer:
        writer.append("short", frames)
        writer.append("long", np.zeros((152, 4), np.float16))
    clips = [Clip("a", "short", (0,)), Clip("b", "long", (1,))]
    windows = ExcerptDataset(store, clips, config, num_labels=2)
    assert windows.window_clips.tolist() == [0, 1, 1, 1]
    np.testing.assert_array_equal(windows[0][0][0, :, :20], frames.T.astype(np.float32))


FAST = ("model.blocks.0.channels=4", "train.crop_seconds=0.5", "train.epochs=2")


@pytest.fixture
def trained(tmp_path, sound_folder):
    run = tmp_path / "run"
    train(read_manifest(sound_folder), run, load_config(settings=FAST), runtime=CPU)
    return run


def test_a_trained_model_can_be_asked_for_windows(trained, sound_folder):
    data = read_manifest(sound_folder)
    plain = evaluate(load_checkpoint(trained), data, runtime=CPU, run=trained)
    checkpoint = load_checkpoint(trained).adjust(["evaluate.excerpt_seconds=0.4"])
    asked = evaluate(checkpoint, data, runtime=CPU, run=trained)
    assert plain.windows is None
    assert "windows" not in plain.to_dict()
    assert asked.scores == plain.scores
    assert asked.windows.num_windows > asked.scores.num_clips
    figures = asked.to_dict()["windows"]
    assert set(figures) == {"seconds", "num_windows", "num_correct", "accuracy", "loss"}
    assert figures["accuracy"] == figures["num_correct"] / figures["num_windows"]
    page = render_report(asked, checkpoint, Origin(trained / "best.safetensors", "data"))
    assert f"{asked.windows.num_correct} of {asked.windows.num_windows}" in page


def test_a_window_is_judged_as_its_frames_alone(trained, sound_folder):
    checkpoint = load_checkpoint(trained).adjust(["evaluate.excerpt_seconds=0.4"])
    data = read_manifest(sound_folder)
    found = evaluate(checkpoint, data, runtime=CPU, run=trained)
    model, grid = checkpoint.build(), excerpt_grid(0.4, checkpoint.spec.config.features)
    losses, num_correct = [], 0
    store = FeatureStore(data.source.parent / "cache" / "earmark" / "features", FeatureConfig())
    for clip in found.predictions.clips:
        frames = store[clip.key].astype(np.float32)
        for start in grid.starts(len(frames)):
            window = torch.from_numpy(frames[start : start + grid.num_frames].T.copy())
            with torch.inference_mode():
                logit = model(window[None, None]).item()
            sign = 1 if clip.targets == (1,) else -1
            num_correct += (logit >= 0) == (sign == 1)
            losses.append(np.logaddexp(0, -sign * logit))
    assert found.windows.num_correct == num_correct
    assert found.windows.loss == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["model.head=flatten"], "model.head = flatten takes windows of one length only"),
        (["evaluate.excerpt_seconds=0.05"], "shorter than 0.104 s"),
    ],
)
def test_windows_that_cannot_be_judged_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        load_config(settings=["evaluate.excerpt_seconds=1.0", *settings])


def test_windows_of_which_the_network_leaves_nothing_are_refused():
    config = load_config(settings=["evaluate.excerpt_seconds=0.2"])
    spec = ModelSpec(config, ("no", "yes"), window_frames=250)
    checkpoint = Checkpoint(spec, new_network(spec).state_dict())
    with pytest.raises(ConfigError, match=r"excerpt_seconds is too short: model\.blocks\.1"):
        require_excerpts(checkpoint.spec)
