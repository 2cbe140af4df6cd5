"""Fixtures of the tests of exports."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from earmark.config import load_config
from earmark.data.demo import demo_data
from earmark.features.log_mel import LogMel, extract
from earmark.features.windows import cut_window
from earmark.models.checkpoint import Checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.tasks.task import BINARY


@pytest.fixture(scope="session")
def sharp_checkpoint() -> Callable[..., Checkpoint]:
    """Makes a network whose probabilities cover the whole range, as those of a trained one."""

    def make(settings, task):
        torch.manual_seed(0)
        labels = ("music", "speech") if task is BINARY else ("music", "noise", "speech")
        config = load_config(settings=settings)
        frames = config.features.num_frames(config.features.sample_rate)
        spec = ModelSpec(config, labels, frames, task, temperature=1.5)
        network = new_network(spec)
        log_mel = LogMel(config.features)
        with demo_data() as folder:
            clips = [extract(path, log_mel).frames for path in sorted(folder.rglob("*.flac"))[::4]]
        windows = np.stack([cut_window(clip, 0, frames) for clip in clips])
        windows = torch.from_numpy(windows)[:, None]
        network.input_norm.fit(windows.mean(dim=(0, 1, 3)), windows.std(dim=(0, 1, 3)))
        with torch.no_grad():
            for _ in range(30):
                network.train()(windows)
            logits = network.eval()(windows)
            network.classifier.weight *= 4 / logits.std(dim=0)[:, None]
            network.classifier.bias -= network(windows).mean(dim=0)
        return Checkpoint(spec, network.state_dict())

    return make
