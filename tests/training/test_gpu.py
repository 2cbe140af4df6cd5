"""Training and prediction on a CUDA device give what the CPU gives, as far as numbers allow."""

import numpy as np
import pytest
import torch

from earmark.config import load_config
from earmark.inference.classifier import Classifier
from earmark.system.runtime import Runtime
from earmark.training.train import train

pytestmark = pytest.mark.gpu
FAST = (
    "recipe.name=classic",
    "model.blocks.0.channels=4",
    "train.crop_seconds=0.5",
    "train.epochs=2",
)


@pytest.fixture(params=["float32", "auto"])
def run(request, tmp_path, sound_folder):
    config = load_config(settings=[*FAST, f"train.precision={request.param}"])
    runtime = Runtime(torch.device("cuda"))
    train(sound_folder, tmp_path / "run", config, device=runtime)
    return tmp_path / "run"


def test_a_run_on_the_gpu_predicts_the_same_on_the_cpu(run, sound_folder):
    files = sorted(sound_folder.glob("testing/*/*.wav"))
    on_gpu, on_cpu = (
        list(Classifier.load(run, device=device).predict_many(files)) for device in ("cuda", "cpu")
    )
    rows = [[list(one.probabilities.values()) for one in found] for found in (on_gpu, on_cpu)]
    np.testing.assert_allclose(*rows, atol=2e-3)
