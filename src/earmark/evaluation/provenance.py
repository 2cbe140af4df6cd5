"""Provenance: everything needed to reproduce the metrics of a test."""

import hashlib
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from earmark._version import __version__
from earmark.data.content import Clip
from earmark.evaluation.loaded_model import LoadedModel
from earmark.features.vectors import make_front_end
from earmark.features.windows import cut_window
from earmark.models.architectures.registry import InputShape
from earmark.models.architectures.summary import count_parameters, summarize

LATENCY_RUNS = 7


@dataclass(frozen=True)
class Provenance:
    """Origin of the metrics of a test, and the cost of the network.

    Args:
        earmark_version: Version of this package.
        weights_digest: Of the weights and their names.
        config_digest: Of all settings.
        data_digest: Of the content keys, labels and groups of the clips, whatever their order.
        seed: ``train.seed``.
        device: Where the network ran.
        num_parameters: Trainable parameters.
        num_multiply_adds: Multiply-adds per window.
        window_seconds: Length of a window.
        latency_seconds: Median time from the samples of one window to its logits.
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
        """The fields under the names that ``evaluate --json`` prints."""
        return asdict(self)


def trace(model: LoadedModel, clips: Sequence[Clip]) -> Provenance:
    """Origin of the metrics of a test.

    Args:
        model: The network that was tested.
        clips: The clips that it was tested on.
    """
    spec = model.spec
    config, window_frames = spec.config, spec.window_frames
    num_samples = round(spec.window_seconds * config.features.sample_rate)
    layers = summarize(model.network, InputShape(config.features.n_mels, window_frames))
    return Provenance(
        earmark_version=__version__,
        weights_digest=digest_weights(model.checkpoint.model),
        config_digest=_digest(json.dumps(config.to_dict(), sort_keys=True)),
        data_digest=digest_clips(clips),
        seed=config.train.seed,
        device=str(model.runtime.device),
        num_parameters=count_parameters(model.network),
        num_multiply_adds=sum(one.num_multiply_adds for one in layers),
        window_seconds=spec.window_seconds,
        latency_seconds=_measure_latency(model, num_samples),
    )


def digest_clips(clips: Sequence[Clip]) -> str:
    """Digest of the content keys, labels and groups of clips, whatever their order."""
    rows = sorted(json.dumps((str(one.key), one.targets, one.group)) for one in clips)
    return _digest("\n".join(rows))


def _measure_latency(model: LoadedModel, num_samples: int) -> float:
    front_end = make_front_end(model.spec.config.features)
    samples = np.random.default_rng(0).normal(0.0, 0.1, num_samples).astype(np.float32)
    elapsed = []
    with torch.inference_mode():
        # The first run builds tables and warms up the device.
        for _ in range(1 + LATENCY_RUNS):
            started_at = time.perf_counter()
            window = cut_window(front_end(samples).T, 0, model.spec.window_frames)
            batch = torch.from_numpy(window.copy())[None, None].to(model.runtime.device)
            model.network(batch).cpu()
            elapsed.append(time.perf_counter() - started_at)
    return statistics.median(elapsed[1:])


def digest_weights(weights: Mapping[str, Tensor]) -> str:
    """Digest of weights and their names."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()
