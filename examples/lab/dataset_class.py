"""A data set of serialised features: files on disk in, windows of one size and targets out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from earmark.errors import DataError
from earmark.features.windows import cut_window, window_starts


class MyDataset(Dataset):
    """The features of one split, ``FOLDER/LABEL/**/*.npy``, cut into windows of one length.

    Each file holds the log-mel frames of one clip, (frames, mels). Only the windows that are asked
    for are read, so the features may be larger than the memory.

    Args:
        folder: Folder of the split, such as ``features/training``.
        labels: All labels; the target of a clip is the index of its label in them. They are given,
            not listed from the folder, so that a label has the same target in every split.
        num_frames: Length of a window; a shorter clip is repeated until it fills one.

    Raises:
        DataError: The folder holds no features, or those of an unknown label.
    """

    def __init__(self, folder: Path, labels: Sequence[str], num_frames: int) -> None:
        # The order in which a folder is listed differs between machines; sorting fixes it.
        self.files = sorted(folder.rglob("*.npy"), key=lambda file: file.as_posix())
        if not self.files:
            raise DataError(f"{folder}: no features; run getting_and_init_the_data.py first")
        self.folder = folder
        self.num_frames = num_frames
        names = [file.relative_to(folder).parts[0] for file in self.files]
        unknown = sorted(set(names) - set(labels))
        if unknown:
            raise DataError(f"{folder / unknown[0]}: the label is not one of {', '.join(labels)}")
        self.targets = [list(labels).index(name) for name in names]
        starts = [
            window_starts(len(self.frames(clip)), num_frames, overlap=0.0)
            for clip in range(len(self.files))
        ]
        # Two lists with an entry a window: the number of its clip and its first frame.
        self.window_clips = np.repeat(np.arange(len(starts)), [len(one) for one in starts])
        self.window_starts = [start for one in starts for start in one]

    def frames(self, clip: int) -> np.ndarray:
        """All frames of a clip, (frames, mels); they stay on disk until they are used."""
        # A pickle can run any code when it is loaded; an array of numbers never needs one.
        return np.load(self.files[clip], mmap_mode="r", allow_pickle=False)

    def __len__(self) -> int:
        return len(self.window_starts)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """A window, (1, n_mels, num_frames), in decibels, and the target of its clip."""
        clip = int(self.window_clips[index])
        window = cut_window(self.frames(clip), self.window_starts[index], self.num_frames)
        # The first axis is the channel, which Conv2d wants: sound has one, a photograph three.
        return torch.from_numpy(window).unsqueeze(0), self.targets[clip]


def main() -> None:
    """Prints what a folder of features holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="features of one split: FOLDER/LABEL/*.npy")
    parser.add_argument("--num-frames", type=int, default=251, help="length of a window")
    args = parser.parse_args()
    labels = sorted(path.name for path in args.folder.glob("*") if path.is_dir())
    try:
        dataset = MyDataset(args.folder, labels, args.num_frames)
    except DataError as error:
        parser.error(str(error))
    print(f"{len(dataset.files)} clips, {len(dataset)} windows")
    for index in (0, len(dataset) - 1):
        window, target = dataset[index]
        file = dataset.files[dataset.window_clips[index]]
        print(f"window {index}: {tuple(window.shape)}, target {target}, of {file.name}")


if __name__ == "__main__":
    main()
