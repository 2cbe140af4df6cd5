"""Frames of many clips on the device of the network, where windows are cut without copies to it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from earmark.system.shapes import Float16, Float32, Int64

MEMORY_FRACTION = 0.25
"""Most of the device's memory that frames may take; the rest is for the training."""


@dataclass(frozen=True)
class DeviceFrames:
    """The frames of clips, end to end in one tensor.

    Args:
        frames: Of all clips.
        firsts: Where each clip begins.
        lengths: Frames of each clip.

    Example:
        >>> clips = [np.zeros((3, 40), np.float16), np.ones((5, 40), np.float16)]
        >>> held = DeviceFrames.of(clips, torch.device("cpu"))
        >>> held.cut(np.array([1, 0]), np.array([2, 0]), 3).shape
        torch.Size([2, 1, 40, 3])
    """

    frames: Float16[Tensor, "frames mels"]
    firsts: Int64[Tensor, " clips"]
    lengths: Int64[Tensor, " clips"]

    @classmethod
    def of(
        cls, clips: Iterable[Float16[np.ndarray, "_ mels"]], device: torch.device
    ) -> "DeviceFrames":
        """Copies the frames of clips to a device.

        Args:
            clips: The frames of each; they are read one clip at a time.
            device: Where to.
        """
        parts = [torch.from_numpy(np.array(one)).to(device) for one in clips]
        lengths = torch.tensor([len(one) for one in parts])
        firsts = lengths.cumsum(0) - lengths
        return cls(torch.cat(parts), firsts.to(device), lengths.to(device))

    def cut(
        self,
        clips: Int64[np.ndarray, " batch"],
        starts: Int64[np.ndarray, " batch"],
        window_frames: int,
    ) -> Float32[Tensor, "batch 1 mels frames"]:
        """The windows that `features.windows.cut_window` cuts, on the device.

        Args:
            clips: The clip of each window.
            starts: First frame of each window.
            window_frames: Length of the windows; a shorter clip is repeated until it fills one.
        """
        device = self.frames.device
        chosen, start = (torch.from_numpy(one).to(device)[:, None] for one in (clips, starts))
        steps = torch.arange(window_frames, device=device) % (self.lengths[chosen] - start)
        windows = self.frames[self.firsts[chosen] + start + steps]
        return windows.float().transpose(1, 2).contiguous().unsqueeze(1)
