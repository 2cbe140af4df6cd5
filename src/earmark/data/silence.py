"""Which label silent clips have in the training data."""

import logging
from collections import Counter
from collections.abc import Sequence

from earmark.data.content import Clip
from earmark.data.dataset import FrameSource
from earmark.features.levels import is_silent

logger = logging.getLogger(__name__)


def find_silence_label(
    clips: Sequence[Clip], frames: FrameSource, labels: Sequence[str], silence_db: float
) -> str | None:
    """The label that silence has in training, and logs it, or that the model abstains.

    Most of the clips of the label must be silent, and most of the silent clips must have it. A few
    faulty clips of speech do not make silence speech.

    Args:
        clips: Of the training split.
        frames: Their frames.
        labels: The vocabulary.
        silence_db: Level of the loudest frame below which a clip is silent, in dB of full scale.

    Returns:
        The label, or None where there is none.
    """
    silent = [one for one in clips if is_silent(frames[one.key], frames.config, silence_db)]
    if not silent:
        return None
    counts = Counter(index for one in silent for index in one.targets)
    totals = Counter(index for one in clips for index in one.targets)
    found = f"{len(silent)} training clips are silent (below {silence_db:g} dBFS)"
    fitting = [
        index
        for index, count in counts.items()
        if 2 * count > totals[index] and 2 * count > len(silent)
    ]
    if fitting:
        index = max(fitting, key=lambda one: counts[one] / totals[one])
        logger.info(
            f"silence: {found}, {counts[index]} of them with the label {labels[index]!r}, which "
            "silence gets"
        )
        return labels[index]
    logger.info(f"silence: {found}, and no label is for them; the model abstains on silence")
    return None
