"""What ways of calibrating on validation clips do to the log-loss of test clips.

``python benchmarks/calibration.py DATA RUN...``

The runs were trained on the data, with other seeds and, better still, other splits. Each way is
fitted to the validation clips of a run and scored on its test clips, which nothing is chosen from.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize, minimize_scalar

from earmark.data.dataset import AudioDataset
from earmark.data.loaders import OrderedLoader
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.preparation import prepare_once, usable_clips
from earmark.data.splits import with_splits
from earmark.evaluation.evaluate import predict_clips
from earmark.evaluation.metrics.scores import Predictions
from earmark.features.store import FeatureStore, default_root
from earmark.features.windows import WindowGrid
from earmark.models.checkpoint import load_checkpoint
from earmark.system.runtime import Runtime
from earmark.system.shapes import Float64
from earmark.tasks.task import BINARY
from earmark.tasks.temperature import PRIOR_CLIPS, fit_temperature
from machine import describe_machine

FREE = (1 / 20, 20.0)
"""Range of what logits are multiplied by."""

Logits = Float64[np.ndarray, "clips outputs"]
Calibrator = Callable[[Logits], Logits]


@dataclass(frozen=True)
class Parts:
    """The predictions of a run for its validation and its test clips."""

    validation: Predictions
    test: Predictions


def main() -> None:
    """Prints a row a way, with the mean and the deviation over the runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--store", type=Path, default=default_root())
    arguments = parser.parse_args()
    manifest = read_manifest(arguments.data)
    parts = [predict(manifest, run, arguments.store) for run in arguments.runs]
    print(describe_machine("torch", "scipy"))
    first = parts[0]
    sizes = len(first.validation.clips), len(first.test.clips)
    title = first.validation.task.title
    print(f"{title}, {len(parts)} runs, {sizes[0]} validation and {sizes[1]} test clips\n")
    print("| way | log-loss of test clips | deviation | worse than none in |")
    print("|---|---|---|---|")
    plain = np.array([test_loss(one, no_calibration) for one in parts])
    for title, fit in WAYS.items():
        if fit is platt and first.validation.task is not BINARY:
            continue
        losses = np.array([test_loss(one, fit) for one in parts])
        worse = int((losses > plain + 1e-9).sum())
        print(f"| {title} | {losses.mean():.4f} | {losses.std():.4f} | {worse} of {len(parts)} |")


def predict(manifest: Manifest, run: Path, store_root: Path) -> Parts:
    """The run's own validation and test clips, predicted by its best weights."""
    runtime = Runtime(torch.device("cpu"))
    checkpoint = load_checkpoint(run)
    spec = checkpoint.spec
    split = with_splits(manifest, spec.config.train)
    store = FeatureStore(store_root, spec.config.features)
    found = []
    for name in ("validation", "test"):
        prepared = prepare_once(split.split(name), store, runtime)
        windows = AudioDataset(
            store,
            usable_clips(split, prepared, name),
            WindowGrid(spec.window_frames, spec.config.predict.overlap),
            num_labels=len(spec.labels),
        )
        loader = OrderedLoader(windows, runtime)
        found.append(predict_clips(checkpoint.build(), loader, runtime, spec))
    return Parts(*found)


def test_loss(parts: Parts, fit: Callable[[Predictions], Calibrator]) -> float:
    """Log-loss of the test clips, calibrated by what the validation clips say."""
    test = parts.test
    losses = test.task.losses(fit(parts.validation)(test.logits), test.targets)
    return float(losses.mean())


def no_calibration(validation: Predictions) -> Calibrator:
    """Logits as they are."""
    return lambda logits: logits


def scaling(validation: Predictions, *, prior_clips: float) -> Calibrator:
    """A temperature between the bounds, with a prior or without."""

    def total(log_scale: float) -> float:
        scale = np.exp(log_scale)
        losses = validation.task.losses(scale * validation.logits, validation.targets)
        return float(losses.sum() + prior_clips * (scale - log_scale))

    found = minimize_scalar(total, bounds=tuple(np.log(FREE)), method="bounded")
    return lambda logits: np.exp(found.x) * logits


def softening(validation: Predictions) -> Calibrator:
    """What earmark does."""
    temperature = fit_temperature(validation.logits, validation.targets, validation.task)
    return lambda logits: logits / temperature


def platt(validation: Predictions) -> Calibrator:
    """A slope and an offset, fitted to targets that are not quite 0 and 1.

    Source:
        Platt (1999), Probabilistic outputs for support vector machines, section 2.2.
    """
    logits, targets = validation.logits[:, 0], validation.targets[:, 1]
    positive, negative = targets.sum(), (1 - targets).sum()
    smooth = np.where(targets > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def total(parameters: Float64[np.ndarray, "2"]) -> float:
        scaled = parameters[0] * logits + parameters[1]
        return float((np.logaddexp(0.0, scaled) - smooth * scaled).sum())

    slope, offset = minimize(total, np.array([1.0, 0.0])).x
    return lambda logits: slope * logits + offset


WAYS: dict[str, Callable[[Predictions], Calibrator]] = {
    "none": no_calibration,
    "free temperature": partial(scaling, prior_clips=0.0),
    "temperature with a prior": partial(scaling, prior_clips=PRIOR_CLIPS),
    "the same, 1 or more": softening,
    "Platt, smoothed targets": platt,
}


if __name__ == "__main__":
    main()
