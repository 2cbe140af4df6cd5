"""Scores of excerpts are those of clips cut there."""

import numpy as np
import pytest
import torch

from earmark.config import FeatureConfig, load_config
from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError
from earmark.evaluation.evaluate import evaluate, require_excerpts
from earmark.features.store import FeatureStore
from earmark.features.windows import ExcerptGrid
from earmark.models.checkpoint import Checkpoint, load_checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.report.document import render_report
from earmark.report.model import Origin
from earmark.system.runtime import Runtime
from earmark.training.train import train

CPU = Runtime(torch.device("cpu"))


FAST = ("model.blocks.0.channels=4", "train.crop_seconds=0.5", "train.epochs=2")


@pytest.fixture
def trained(tmp_path, sound_folder):
    run = tmp_path / "run"
    train(read_manifest(sound_folder), run, load_config(settings=FAST), runtime=CPU)
    return run


def test_a_trained_model_can_be_tested_on_excerpts(trained, sound_folder):
    data = read_manifest(sound_folder)
    plain = evaluate(load_checkpoint(trained), data, runtime=CPU, run=trained)
    checkpoint = load_checkpoint(trained).adjust(["evaluate.excerpt_seconds=0.4"])
    asked = evaluate(checkpoint, data, runtime=CPU, run=trained)
    assert plain.windows is None
    assert "windows" not in plain.to_dict()
    assert asked.scores == plain.scores
    assert asked.windows.num_windows > asked.scores.num_clips
    metrics = asked.to_dict()["windows"]
    assert set(metrics) == {"seconds", "num_windows", "num_correct", "accuracy", "loss"}
    assert metrics["accuracy"] == metrics["num_correct"] / metrics["num_windows"]
    page = render_report(asked, checkpoint, Origin(trained / "best.safetensors", "data"))
    assert f"{asked.windows.num_correct} of {asked.windows.num_windows}" in page


def test_an_excerpt_is_predicted_from_its_frames_alone(trained, sound_folder):
    checkpoint = load_checkpoint(trained).adjust(["evaluate.excerpt_seconds=0.4"])
    data = read_manifest(sound_folder)
    found = evaluate(checkpoint, data, runtime=CPU, run=trained)
    model, grid = checkpoint.build(), ExcerptGrid.of_seconds(0.4, checkpoint.spec.config.features)
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
    ("settings", "path"),
    [
        (["model.head=flatten"], r"model\.head"),
        (["evaluate.excerpt_seconds=0.05"], r"evaluate\.excerpt_seconds"),
    ],
)
def test_excerpts_that_no_network_can_predict_are_refused(settings, path):
    with pytest.raises(ConfigError, match=path):
        load_config(settings=["evaluate.excerpt_seconds=1.0", *settings])


def test_excerpts_of_which_the_network_leaves_nothing_are_refused():
    config = load_config(settings=["evaluate.excerpt_seconds=0.2"])
    spec = ModelSpec(config, ("no", "yes"), window_frames=250)
    checkpoint = Checkpoint(spec, new_network(spec).state_dict())
    with pytest.raises(ConfigError, match=r"excerpt_seconds .*model\.blocks\.1"):
        require_excerpts(checkpoint.spec)
