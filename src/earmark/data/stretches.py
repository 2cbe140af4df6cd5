"""Stretches of clips, each heard alone: a grid that no sound from outside of a stretch reaches."""

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.config import Config, FeatureConfig
from earmark.data.dataset import AudioDataset, Clip
from earmark.features.store import FeatureStore


@dataclass(frozen=True)
class ExcerptGrid:
    """Stretches of one length, end to end from the start of a clip; a shorter rest is left out.

    Frames are centred, so those near the ends of a stretch hear its neighbours. Only the frames
    whose analysis window lies wholly inside are used::

        stretch      |-------------------------------|      num_steps frames from one to the next
        frames          ^   ^   ^   ^   ^   ^   ^           each hears half a window on both sides
                     |--|                       |---|       margin frames at each end hear beyond

    Args:
        num_steps: Length of a stretch in steps of ``hop_length``.
        margin: The first frame that is used, counted from the start of a stretch.
    """

    num_steps: int
    margin: int

    @property
    def num_frames(self) -> int:
        """Frames that are used of each stretch."""
        return self.num_steps - 2 * self.margin + 1

    def starts(self, num_frames: int) -> list[int]:
        """First used frame of each stretch; a clip that is shorter than one is one from its start.

        Args:
            num_frames: Length of the clip.

        Example:
            >>> ExcerptGrid(num_steps=50, margin=2).starts(130)
            [2, 52]
        """
        count = (num_frames - 1) // self.num_steps
        return [self.margin + self.num_steps * index for index in range(count)] or [0]


def excerpt_grid(seconds: float, config: FeatureConfig) -> ExcerptGrid:
    """The grid of stretches of a length, which is rounded to whole steps of the front end.

    Args:
        seconds: The length; longer than a window of the front end.
        config: The front end.

    Example:
        >>> excerpt_grid(1.0, FeatureConfig())
        ExcerptGrid(num_steps=50, margin=2)
    """
    num_steps = round(seconds * config.sample_rate / config.hop_length)
    return ExcerptGrid(num_steps, margin=-(-config.win_length // (2 * config.hop_length)))


class ExcerptDataset(AudioDataset):
    """The stretches of stored clips, in order.

    Args:
        store: Where the features are.
        clips: Which ones.
        config: The front end, and ``evaluate.excerpt_seconds``, which is given.
        num_labels: Size of the vocabulary.
    """

    def __init__(
        self, store: FeatureStore, clips: Sequence[Clip], config: Config, *, num_labels: int
    ) -> None:
        seconds = config.evaluate.excerpt_seconds
        assert seconds is not None
        self._grid = excerpt_grid(seconds, config.features)
        self.seconds = seconds
        super().__init__(store, clips, self._grid.num_frames, num_labels=num_labels)

    def _starts_of(self, num_frames: int) -> list[int]:
        return self._grid.starts(num_frames)
