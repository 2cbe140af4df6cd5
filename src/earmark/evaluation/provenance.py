"""What was measured with what: all that is needed to obtain the same figures again."""

import hashlib
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from earmark._version import __version__
from earmark.data.content import Clip
from earmark.features.log_mel import LogMel
from earmark.features.windows import cut_window
from earmark.models.architectures.registry import InputShape
from earmark.models.architectures.summary import count_parameters, summarize
from earmark.models.checkpoint import Checkpoint

LATENCY_RUNS = 7


@dataclass(frozen=True)
class Provenance:
    """Where the figures of a test come from, and what the network costs.

    Args:
        earmark_version: Version of this package.
        weights_digest: Of the weights and their names.
        config_digest: Of all settings.
        data_digest: Of the content keys, labels and groups of the tested clips, in any order.
        seed: ``train.seed``.
        device: Where the network ran.
        num_parameters: Trainable parameters.
        num_multiply_adds: Multiply-adds a window.
        window_seconds: Length of a window.
        latency_seconds: Time from the samples of one window to its logits, the median of some runs.
    """

    earmark_version: str
    weights_digest: str
    config_digest: str
    data_digest: str
    seed: int
    device: str
    num_parameters: int
    num_multiply_adds: int
    window_seconds: float
    latency_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The facts under the names that ``evaluate --json`` prints."""
        return asdict(self)


def trace(
    checkpoint: Checkpoint, model: nn.Module, clips: Sequence[Clip], device: torch.device
) -> Provenance:
    """Where the figures come from.

    Args:
        checkpoint: The model.
        model: Its network on the device, in evaluation mode.
        clips: What is tested.
        device: Where it runs.
    """
    config, window_frames = checkpoint.spec.config, checkpoint.spec.window_frames
    num_samples = (window_frames - 1) * config.features.hop_length
    network = checkpoint.build()
    layers = summarize(network, InputShape(config.features.n_mels, window_frames))
    return Provenance(
        earmark_version=__version__,
        weights_digest=_weights_digest(checkpoint.model),
        config_digest=_digest(json.dumps(config.to_dict(), sort_keys=True)),
        data_digest=digest_clips(clips),
        seed=config.train.seed,
        device=str(device),
        num_parameters=count_parameters(network),
        num_multiply_adds=sum(one.num_multiply_adds for one in layers),
        window_seconds=checkpoint.spec.window_seconds,
        latency_seconds=_measure_latency(checkpoint, model, num_samples, device),
    )


def digest_clips(clips: Sequence[Clip]) -> str:
    """Digest of the content keys, labels and groups of clips, the same in any order."""
    rows = sorted(json.dumps((str(one.key), one.targets, one.group)) for one in clips)
    return _digest("\n".join(rows))


def _measure_latency(
    checkpoint: Checkpoint, model: nn.Module, num_samples: int, device: torch.device
) -> float:
    log_mel = LogMel(checkpoint.spec.config.features)
    samples = np.random.default_rng(0).normal(0.0, 0.1, num_samples).astype(np.float32)
    elapsed = []
    with torch.inference_mode():
        # The first one builds tables and wakes the device.
        for _ in range(1 + LATENCY_RUNS):
            started_at = time.perf_counter()
            window = cut_window(log_mel(samples).T, 0, checkpoint.spec.window_frames)
            model(torch.from_numpy(window.copy())[None, None].to(device)).cpu()
            elapsed.append(time.perf_counter() - started_at)
    return statistics.median(elapsed[1:])


def _weights_digest(weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()
