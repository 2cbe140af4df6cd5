"""Predictions on executors are those of this process."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from earmark.config import load_config
from earmark.errors import ConfigError, FailedFile
from earmark.inference.classifier import Classifier, load_model
from earmark.inference.predict import predict
from earmark.models.checkpoint import Checkpoint, new_network
from earmark.models.spec import ModelSpec


@pytest.fixture
def sounds(tmp_path, write_clip, monkeypatch):
    """IN/*.wav, one of which is empty; the working folder is that of IN."""
    for number in range(5):
        write_clip(tmp_path / "in" / f"{number}.wav", 1.0 + number / 3, seed=number)
    (tmp_path / "in" / "bad.wav").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("earmark.system.executors.CHUNK_ITEMS", 2)
    return Path("in")


@pytest.fixture
def checkpoint(tmp_path):
    spec = ModelSpec(load_config(settings=("model.blocks.0.channels=4",)), ("a", "b"), 51)
    path = tmp_path / "model.safetensors"
    Checkpoint(spec, new_network(spec).state_dict()).save(path)
    return path


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.mark.parametrize("segments", [False, True])
def test_results_are_those_of_this_process(sounds, pool, segments):
    local = predict("speech-music", sounds, segments=segments)
    assert predict("speech-music", sounds, segments=segments, executor=pool) == local
    [failed] = [one for one in local if isinstance(one, FailedFile)]
    assert failed.error.startswith("in/bad.wav: ")


def test_models_in_pytorch_and_several_models_are_sent(sounds, checkpoint, pool):
    models = [load_model("speech-music", settings=["predict.overlap=0.5"]), checkpoint]
    assert predict(models, sounds, executor=pool) == predict(models, sounds)
    absolute = [one.absolute() for one in sorted(sounds.iterdir())]
    assert predict(checkpoint, absolute, executor=pool) == predict(checkpoint, absolute)


def test_a_model_that_was_not_opened_here_cannot_be_sent(sounds, pool):
    classifier = Classifier(load_model("speech-music").spec, lambda w: np.ones((len(w), 1)))
    with pytest.raises(ConfigError):
        predict(classifier, sounds, executor=pool)
