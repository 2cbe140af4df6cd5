"""Which label silent clips have in the training data."""

import logging
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, TypeVar

from earmark.data.content import Clip
from earmark.features.levels import is_silent

if TYPE_CHECKING:
    from earmark.data.dataset import FrameSource  # It imports PyTorch, which `check` does without.

Label = TypeVar("Label", bound=Hashable)

logger = logging.getLogger(__name__)


def silence_labels(
    silent: Sequence[Sequence[Label]], clips: Sequence[Sequence[Label]]
) -> list[Label]:
    """The labels that most of their clips being silent, and most silent clips having them, fit.

    Args:
        silent: The labels of each silent clip.
        clips: The labels of each clip.

    Returns:
        The labels, the one with the largest fraction of silent clips first.

    Example:
        >>> silence_labels([["quiet"], ["quiet"], ["dog"]], [["quiet"]] * 2 + [["dog"]] * 9)
        ['quiet']
    """
    counts = Counter(label for one in silent for label in one)
    totals = Counter(label for one in clips for label in one)
    fitting = [
        label
        for label, count in counts.items()
        if 2 * count > totals[label] and 2 * count > len(silent)
    ]
    return sorted(fitting, key=lambda one: -counts[one] / totals[one])


def find_silence_label(
    clips: Sequence[Clip],
    frames: "FrameSource",
    labels: Sequence[str],
    silence_db: float,
    background: str = "",
) -> str | None:
    """The label that silence has in training, and logs it, or that the model abstains.

    Most of the clips of the label must be silent, and most of the silent clips must have it. A few
    faulty clips of speech do not make silence speech.

    Args:
        clips: Of the training split.
        frames: Their frames.
        labels: The vocabulary.
        silence_db: Level of the loudest frame below which a clip is silent, in dB of full scale.
        background: The label that is never predicted; silence does not get it.

    Returns:
        The label, or None where there is none.
    """
    silent = [one for one in clips if is_silent(frames[one.key], frames.config, silence_db)]
    if not silent:
        return None
    fitting = silence_labels([one.targets for one in silent], [one.targets for one in clips])
    found = f"{len(silent)} training clips are silent (below {silence_db:g} dBFS)"
    fitting = [index for index in fitting if labels[index] != background]
    if fitting:
        index = fitting[0]
        num_labelled = sum(index in one.targets for one in silent)
        logger.info(
            f"silence: {found}, {num_labelled} of them with the label {labels[index]!r}, which "
            "silence gets"
        )
        return labels[index]
    logger.info(f"silence: {found}, and no label is for them; the model abstains on silence")
    return None
