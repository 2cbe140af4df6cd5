"""What was tested, on what."""

from dataclasses import dataclass
from pathlib import Path

TEST_SPLIT = "test split"
UNSEEN = "recordings that the run has not seen"


@dataclass(frozen=True)
class Origin:
    """What was tested, on what.

    Args:
        model: The file of the model.
        data: The data set.
        split: Which part of it: `TEST_SPLIT`, or `UNSEEN` when it came without splits.
        run: The model's run folder, whose losses are shown.
    """

    model: Path
    data: str
    split: str = TEST_SPLIT
    run: Path | None = None
