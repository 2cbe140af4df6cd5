"""Speech or music, one of the two: how often is a multi-label model right that must choose?

``python benchmarks/forced_choice.py DATA MODEL... --split validation``

Recordings with exactly one of the two labels are scored whole, by the mean over the windows of the
model, and in stretches, each alone. The label with the larger logit is the choice. A second table
tells how many seconds of each label are taken for the other, and how many of those are soft: pauses
of speech hold no speech.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from earmark.data.dataset import AudioDataset
from earmark.data.loaders import OrderedLoader
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.preparation import prepare_recordings, usable_clips
from earmark.errors import EarmarkError
from earmark.evaluation.evaluate import predict_clips
from earmark.features.store import FeatureStore
from earmark.features.windows import ExcerptGrid, WindowGrid
from earmark.models.checkpoint import Checkpoint, load_checkpoint
from earmark.system.runtime import start
from earmark.system.shapes import Bool, Float64, Int64
from machine import describe_machine

LABELS = ("music", "speech")
WINDOW_SECONDS = (3.0, 1.0)
SOFT_DB = -6.0
"""A second is soft when it lies this far below the median of its recording's."""


def main() -> None:
    """Prints a table, a row a model, and names the recordings that are taken for the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--split", help="train, validation or test; all when it is not given")
    parser.add_argument("--store", type=Path, required=True, help="where features are kept")
    parser.add_argument("--list", action="store_true", help="name each recording's wrong seconds")
    arguments = parser.parse_args()
    print(describe_machine("torch", "numpy"))
    try:
        manifest = single_labels(read_manifest(arguments.data), arguments.split)
        print(f"{arguments.data.name}: {manifest.summary()}\n")
        print("| model | whole | " + " | ".join(f"{one:g} s" for one in WINDOW_SECONDS) + " |")
        print("|---|---|" + "---|" * len(WINDOW_SECONDS))
        rows = [
            row
            for model in arguments.models
            for row in score(model, manifest, arguments.store, by_recording=arguments.list)
        ]
        print("\n| model | seconds of | wrong | soft | wrong of these |\n|---|---|---|---|---|")
        print("\n".join(rows))
    except EarmarkError as error:
        sys.exit(f"{parser.prog}: {error}")


def single_labels(manifest: Manifest, split: str | None) -> Manifest:
    """The recordings of a split, or all, that have exactly one of the two labels, to test on."""
    chosen = [
        replace(one, split="test")
        for one in manifest.recordings
        if len(one.labels) == 1 and split in (None, one.split)
    ]
    return replace(manifest, recordings=tuple(chosen), labels=LABELS)


def score(model: Path, manifest: Manifest, store_root: Path, *, by_recording: bool) -> list[str]:
    """Prints the row of a model; its rows of the second table.

    Args:
        model: A run folder or a checkpoint.
        manifest: From `single_labels`.
        store_root: Folder of the feature store.
        by_recording: Name every recording with a wrong stretch, and how many are wrong.
    """
    checkpoint = load_checkpoint(model)
    store = FeatureStore(store_root, checkpoint.spec.config.features)
    clips = usable_clips(manifest, prepare_recordings(manifest.recordings, store), "test")
    truth = np.array([clip.targets[0] for clip in clips])
    cells, notes = [], []
    for seconds in (None, *WINDOW_SECONDS):
        dataset, chosen = _choose(checkpoint, store, clips, seconds)
        is_right = chosen == truth[dataset.window_clips] if seconds else chosen == truth
        cells.append(f"{is_right.mean():.2%}, {is_right.sum()} of {len(is_right)}")
        owners = dataset.window_clips if seconds else np.arange(len(clips))
        wrong = np.bincount(owners[~is_right], minlength=len(clips))
        notes += [
            f"{seconds or 'whole'}: {clip.name} {number}"
            for clip, number in zip(clips, wrong, strict=True)
            if number and (by_recording or seconds is None)
        ]
    print(f"| {model} | {' | '.join(cells)} |", flush=True)
    print("\n".join(notes), file=sys.stderr)
    # The last stretches are the seconds.
    return [f"| {model} | {row} |" for row in _by_label(dataset, truth, ~is_right)]


def _by_label(
    seconds: AudioDataset, truth: Int64[np.ndarray, " clips"], is_wrong: Bool[np.ndarray, " rows"]
) -> list[str]:
    owners = seconds.window_clips
    log_mel = seconds.batch(range(len(seconds))).log_mel.double()
    level_db = 10 * (10 ** (log_mel / 10)).mean(dim=(1, 2, 3)).log10().numpy()
    medians_db = [np.median(level_db[owners == clip]) for clip in range(len(truth))]
    is_soft = level_db <= np.array(medians_db)[owners] + SOFT_DB
    rows = []
    for index, label in enumerate(LABELS):
        own = truth[owners] == index
        soft = own & is_soft
        wrong = f"{(own & is_wrong).sum()} of {own.sum()}"
        rows.append(f"{label} | {wrong} | {soft.sum()} | {(soft & is_wrong).sum()}")
    return rows


def _choose(
    checkpoint: Checkpoint, store: FeatureStore, clips: Sequence, seconds: float | None
) -> tuple[AudioDataset, Float64[np.ndarray, " rows"]]:
    """The windows, and which label each clip or stretch is given."""
    spec, model = checkpoint.spec, checkpoint.build()
    with start("cpu") as runtime:
        if seconds is None:
            windows = AudioDataset(store, clips, WindowGrid(spec.window_frames, 0.5))
            predictions = predict_clips(model, OrderedLoader(windows, runtime), runtime, spec)
            return windows, predictions.logits.argmax(axis=1)
        excerpts = AudioDataset(store, clips, ExcerptGrid.of_seconds(seconds, spec.config.features))
        with torch.inference_mode():
            logits = [model(batch.log_mel) for batch in OrderedLoader(excerpts, runtime)]
        return excerpts, torch.cat(logits).argmax(dim=1).numpy()


if __name__ == "__main__":
    main()
