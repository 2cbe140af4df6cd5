"""What turns a waveform into frames: the log-mel front end, or an embedder in its place."""

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from earmark.config import FeatureConfig
from earmark.system.shapes import Float


@runtime_checkable
class FrontEnd(Protocol):
    """Turns waveforms into frames, the same whatever the blocks that they come in."""

    @property
    def config(self) -> FeatureConfig:
        """Its settings."""
        ...

    def __call__(self, waveform: Float[np.ndarray, " time"]) -> Float[np.ndarray, "bands frames"]:
        """Frames of a whole clip.

        Args:
            waveform: Samples in [-1, 1] at ``config.sample_rate``.

        Returns:
            As many columns as `FeatureConfig.num_frames` counts.
        """
        ...

    def stream(
        self, blocks: Iterable[Float[np.ndarray, " _"]], *, eager: bool = False
    ) -> Iterator[Float[np.ndarray, "frames bands"]]:
        """Frames of a clip that comes in blocks of any sizes.

        Args:
            blocks: Samples in [-1, 1] at ``config.sample_rate``.
            eager: Yield each frame as soon as its samples are there, for live sound.

        Yields:
            Groups of frames, in order.
        """
        ...
