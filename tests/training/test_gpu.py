"""Training and prediction on a CUDA device give what the CPU gives, as far as numbers allow."""

import numpy as np
import pytest
import torch

from earmark.config import load_config
from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset, HeldFrames
from earmark.features.store import ClipKey
from earmark.features.windows import WindowGrid
from earmark.inference.classifier import Classifier
from earmark.system.runtime import Runtime, describe_device
from earmark.training.augment.augment import Augment
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


def test_windows_and_augmentation_on_the_gpu_are_those_of_the_cpu():
    config = load_config(settings=["augment.mixup=0.5", "augment.frequency_warp=0.1"])
    rng = np.random.default_rng(0)
    keys = [ClipKey(f"{number:032x}") for number in range(6)]
    frames = {key: rng.normal(-40, 15, (40 + 30 * one, 40)) for one, key in enumerate(keys)}
    held = HeldFrames(config.features, {k: v.astype(np.float16) for k, v in frames.items()})
    clips = [Clip(str(number), key, (number % 2,)) for number, key in enumerate(keys)]
    on_cpu, on_gpu = (AudioDataset(held, clips, WindowGrid(51), crops=config) for _ in range(2))
    on_gpu.hold(torch.device("cuda"))
    augment = Augment(config.augment, 51)
    batches = [one.batch(range(len(one))) for one in (on_cpu, on_gpu)]
    assert batches[1].log_mel.device.type == "cuda"
    assert torch.equal(batches[0].log_mel, batches[1].log_mel.cpu())
    moved = batches[1]._replace(targets=batches[1].targets.cuda())
    augmented = [augment(one, np.random.default_rng(3)) for one in (batches[0], moved)]
    for name in ("log_mel", "targets"):
        ours, theirs = (getattr(one, name).cpu() for one in augmented)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_the_memory_of_the_gpu_is_known():
    assert describe_device(torch.device("cuda")).memory_bytes > 1 << 28
