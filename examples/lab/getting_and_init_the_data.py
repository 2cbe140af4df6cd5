"""From three folders of sound to three data loaders.

The features of every clip are computed once and serialised to a file; later runs read the files.
"""

import argparse
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader

from dataset_class import MyDataset
from earmark.config import FeatureConfig
from earmark.data.manifest import Manifest, Recording, read_manifest
from earmark.errors import AudioError, DataError, EarmarkError
from earmark.features.log_mel import LogMel, extract
from earmark.system.files import atomic_write

FOLDERS = {"train": "training", "validation": "validation", "test": "testing"}


class Loaders(NamedTuple):
    """A data loader for each split, and the labels in the order of their targets."""

    training: DataLoader
    validation: DataLoader
    testing: DataLoader
    labels: tuple[str, ...]


def changed_at(path: Path) -> float:
    """When a file was last changed: tools can set the time of modification back, but not both."""
    return max(path.stat().st_mtime, path.stat().st_ctime)


def serialise(data: Path, features: Path, config: FeatureConfig) -> Manifest:
    """Writes the features of every clip of DATA that are not yet there; names and skips bad files.

    Raises:
        DataError: DATA has no such layout, or the folder holds features of other data or settings.
    """
    manifest = read_manifest(data)
    # Features of other data or other settings look alike, so the folder says what it holds.
    settings = {"data": str(data.resolve()), "features": config.model_dump()}
    text = json.dumps(settings, indent=2) + "\n"
    note = features / "settings.json"
    if note.exists() and note.read_text(encoding="utf-8") != text:
        raise DataError(f"{features}: holds features of other data or settings; use another folder")
    atomic_write(note, text)
    log_mel = LogMel(config)
    usable = set()
    for recording in manifest.recordings:
        file = feature_file(recording, features)
        try:
            if not file.exists() or file.stat().st_mtime <= changed_at(recording.path):
                buffer = io.BytesIO()
                frames = extract(recording.path, log_mel, recording.excerpt).frames
                np.save(buffer, frames, allow_pickle=False)
                # Atomically: an interrupted run must leave no partial file for the next to reuse.
                atomic_write(file, buffer.getvalue())
        except AudioError as error:
            print(f"skipped: {error}")
            continue
        usable.add(file)
    for folder in FOLDERS.values():
        # Features of clips that were taken out of DATA, or broke, would still be trained on.
        for file in set((features / folder).rglob("*.npy")) - usable:
            file.unlink()
    return manifest


def feature_file(recording: Recording, features: Path) -> Path:
    """Where the features of a recording are: ``FEATURES/SPLIT/LABEL/NAME.npy``."""
    parts = Path(recording.name).parts
    if recording.split is None or parts[1:2] != recording.labels:
        raise DataError(f"{recording.path}: not in DATA/{{training,validation,testing}}/LABEL/")
    return features.joinpath(FOLDERS[recording.split], *parts[1:-1], f"{parts[-1]}.npy")


def get_loaders(args: argparse.Namespace) -> Loaders:
    """The three data loaders; ``args`` are those of `add_data_arguments`."""
    config = FeatureConfig()
    manifest = serialise(args.data, args.features, config)
    num_frames = config.num_frames(round(args.window_seconds * config.sample_rate))
    training, validation, testing = (
        MyDataset(args.features / folder, manifest.labels, num_frames)
        for folder in FOLDERS.values()
    )
    # Training sees the windows in another order in each epoch, so that a batch is not six windows
    # of one clip or all of one label; the seed makes the orders the same in every run.
    shuffle = torch.Generator().manual_seed(args.seed)
    # Validation and testing keep the order of the files. It changes no metric, and prediction
    # number i can be traced: it belongs to window i of the data set, and so to a file.
    return Loaders(
        DataLoader(training, args.batch_size, shuffle=True, generator=shuffle),
        DataLoader(validation, args.batch_size, shuffle=False),
        DataLoader(testing, args.batch_size, shuffle=False),
        manifest.labels,
    )


def dataset_of(loader: DataLoader) -> MyDataset:
    """The data set behind a loader."""
    assert isinstance(loader.dataset, MyDataset)
    return loader.dataset


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that `get_loaders` reads."""
    parser.add_argument("data", type=Path, help="folder of training, validation and testing")
    parser.add_argument(
        "--features", type=Path, default=Path("features"), help="where to keep them"
    )
    parser.add_argument("--window-seconds", type=float, default=5.0)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)


def main() -> None:
    """Serialises the features and prints what the loaders give."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_arguments(parser)
    try:
        loaders = get_loaders(parser.parse_args())
    except EarmarkError as error:
        parser.exit(error.exit_status, f"{error}\n")
    for folder, loader in zip(FOLDERS.values(), loaders[:3], strict=True):
        dataset = dataset_of(loader)
        log_mel, targets = next(iter(loader))
        print(f"{folder}: {len(dataset.files)} clips, {len(dataset)} windows;", end=" ")
        print(f"a batch: {tuple(log_mel.shape)}, targets {tuple(targets.shape)}")


if __name__ == "__main__":
    main()
