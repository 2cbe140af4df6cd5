"""The settings of augmentation."""

import math
from typing import Annotated, Literal

from pydantic import Field

from earmark.config.base import Fraction, Section

OFF = {
    "time_stretch": 0.0,
    "shortest": 1.0,
    "roll": 0.0,
    "frequency_warp": 0.0,
    "gain_db": 0.0,
    "filter_db": 0.0,
    "noise": 0.0,
    "mixup": 0.0,
    "freq_mixstyle": 0.0,
    "frequency_masks": 0,
    "time_masks": 0,
}
"""Each augmentation, with the value that disables it."""


class AugmentConfig(Section):
    """Augmentation of the training windows, applied in the order of this table.

    0 disables an augmentation; 1 disables `shortest`.
    """

    time_stretch: Annotated[float, Field(ge=0, le=4)] = 0.25
    """Largest time stretch: 0.25 stretches windows by factors from 1/1.25 to 1.25."""
    shortest: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Smallest fraction of the window that batches are cropped to; 1 disables cropping."""
    roll: Fraction = 0.0
    """Largest random rotation in time, as a fraction of the window."""
    frequency_warp: Annotated[float, Field(ge=0, le=4)] = 0.0
    """Largest warp of the mel scale, as with a shorter or longer vocal tract: 0.1 warps by factors
    from 1/1.1 to 1.1."""
    gain_db: Annotated[float, Field(ge=0, le=60)] = 10.0
    """Largest random gain in either direction, in decibels."""
    filter_db: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Largest gain of a band in a smooth random frequency response, in decibels."""
    noise: Fraction = 0.5
    """Fraction of the windows that noise of a random colour is added to."""
    noise_snr_db: Annotated[float, Field(ge=-20, le=60)] = 5.0
    """Lowest signal-to-noise ratio, in decibels, before the colour of the noise, which may add some
    10 dB; the highest is 30 dB more."""
    mixup: Fraction = 0.0
    """Fraction of the windows that are mixed with another one of their batch, as are targets."""
    mixup_alpha: Annotated[float, Field(gt=0, le=100)] = 0.4
    """Both parameters of the beta distribution of the ratio: 1 is uniform, lower mixes less."""
    mixup_domain: Literal["decibels", "energy"] = "decibels"
    """`decibels` mixes the input of the network (mixup); `energy` mixes the sounds themselves, at
    equal levels before the ratio (between-class mixing), and keeps all labels of both in a
    multi-label task."""
    freq_mixstyle: Fraction = 0.0
    """Fraction of the batches in which the mean and standard deviation of each band are mixed with
    those of another window (Freq-MixStyle)."""
    freq_mixstyle_alpha: Annotated[float, Field(gt=0, le=100)] = 0.4
    """Both parameters of the beta distribution of the mixing ratio of `freq_mixstyle`."""
    frequency_masks: Annotated[int, Field(ge=0, le=100)] = 0
    """Number of frequency masks (SpecAugment)."""
    frequency_mask_fraction: Fraction = 0.2
    """Largest width of a frequency mask, as a fraction of the bands."""
    time_masks: Annotated[int, Field(ge=0, le=100)] = 1
    """Number of time masks (SpecAugment)."""
    time_mask_fraction: Fraction = 0.2
    """Largest width of a time mask, as a fraction of the window."""

    def source_frames(self, window_frames: int) -> int:
        """Frames to read for a window, which are more than it has if it is time-stretched.

        Args:
            window_frames: Frames of the windows that the network gets.
        """
        return math.ceil(window_frames * (1 + self.time_stretch))
