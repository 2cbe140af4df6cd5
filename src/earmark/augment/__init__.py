"""Augmentation: what chance does to the windows of training, a whole batch at a time.

Everything is drawn first and then applied. What is drawn depends on the generator alone, not on the
values of the windows nor on the device, so that the same seed gives the same windows. Values are
log-mel band energies in decibels.
"""

from earmark.augment.augment import Augment, source_frames
from earmark.augment.base import Augmentation, BatchShape, Drawn, Windows
from earmark.augment.level import Filter, Gain, Noise
from earmark.augment.masks import Mask
from earmark.augment.mixing import Mix, Style
from earmark.augment.pitch import Warp
from earmark.augment.time import Roll, Shorten, Stretch

__all__ = [
    "Augment",
    "Augmentation",
    "BatchShape",
    "Drawn",
    "Filter",
    "Gain",
    "Mask",
    "Mix",
    "Noise",
    "Roll",
    "Shorten",
    "Stretch",
    "Style",
    "Warp",
    "Windows",
    "source_frames",
]
