"""How sure and how right a model is about validation clips of speech, music, both and neither.

``PYTHONPATH=benchmarks python -m speech_music.kinds CLIPS MODEL... --store STORE``

A clip is right when exactly its labels reach the thresholds of the model. What was made from a seed
is told apart from what was recorded.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset
from earmark.data.loaders import OrderedLoader
from earmark.data.manifest import read_manifest
from earmark.data.preparation import prepare_recordings, usable_clips
from earmark.errors import EarmarkError
from earmark.evaluation.evaluate import predict_clips
from earmark.features.store import FeatureStore
from earmark.features.windows import WindowGrid
from earmark.models.checkpoint import load_checkpoint
from earmark.system.runtime import start
from machine import describe_machine
from speech_music.made import NOISE_GROUP, PIECE_GROUP, SONG_GROUP, TALK_GROUP

LABELS = ("music", "speech")
MADE = {
    SONG_GROUP: "songs from a seed",
    PIECE_GROUP: "pieces from a seed",
    TALK_GROUP: "talk from a seed",
    NOISE_GROUP: "noise from a seed",
}
KINDS = ("speech", "music", "both", "recorded noise", *MADE.values())


def main() -> None:
    """Prints a table a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, help="manifest.csv of speech_music.clips")
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--store", type=Path, required=True, help="where features are kept")
    arguments = parser.parse_args()
    print(describe_machine("torch", "numpy"))
    print("\n| model | clips | exactly right | log-loss |\n|---|---|---|---|")
    try:
        for model in arguments.models:
            print_rows(model, arguments.clips, arguments.store)
    except EarmarkError as error:
        sys.exit(f"{parser.prog}: {error}")


def print_rows(model: Path, data: Path, store_root: Path) -> None:
    """Prints a row a kind of clip.

    Args:
        model: A run folder or a checkpoint.
        data: The manifest.
        store_root: Folder of the feature store.
    """
    checkpoint = load_checkpoint(model)
    spec = checkpoint.spec
    store = FeatureStore(store_root, spec.config.features)
    manifest = read_manifest(data)
    manifest = replace(manifest, recordings=manifest.split("validation"), labels=LABELS)
    clips = usable_clips(manifest, prepare_recordings(manifest.recordings, store), "validation")
    grid = WindowGrid(spec.window_frames, spec.config.predict.overlap)
    windows = AudioDataset(store, clips, grid)
    with start("cpu") as runtime:
        loader = OrderedLoader(windows, runtime)
        predictions = predict_clips(checkpoint.build(), loader, runtime, spec)
    is_right = (predictions.choose(spec.thresholds) == predictions.targets).all(axis=1)
    losses = spec.task.losses(predictions.logits, predictions.targets)
    kinds = np.array([kind_of(clip) for clip in clips])
    for kind in (*KINDS, "all"):
        chosen = (kinds == kind) | (kind == "all")
        right = f"{is_right[chosen].sum()} of {chosen.sum()}"
        print(f"| {model} | {kind} | {right} | {losses[chosen].mean():.4f} |", flush=True)


def kind_of(clip: Clip) -> str:
    """Which of `KINDS` a clip is."""
    for start_of_group, kind in MADE.items():
        if clip.group.startswith(start_of_group):
            return kind
    if len(clip.targets) == len(LABELS):
        return "both"
    return LABELS[clip.targets[0]] if clip.targets else "recorded noise"


if __name__ == "__main__":
    main()
