"""Which label silent clips have in the training data."""

import numpy as np
import pytest

from earmark.config import FeatureConfig
from earmark.data.content import Clip
from earmark.data.dataset import HeldFrames
from earmark.data.silence import find_silence_label
from earmark.features.store import ClipKey

LABELS = ("music", "silence", "speech")
LOUD = np.full((60, 40), -20, np.float16)
SILENT = np.full((60, 40), -100, np.float16)


def find(*clips, silence_db=-80.0):
    """Each clip: whether it is silent, and the indices of its labels."""
    frames = {ClipKey(str(n)): SILENT if silent else LOUD for n, (silent, _) in enumerate(clips)}
    made = [Clip(str(n), ClipKey(str(n)), targets) for n, (_, targets) in enumerate(clips)]
    return find_silence_label(made, HeldFrames(FeatureConfig(), frames), LABELS, silence_db)


@pytest.mark.parametrize(
    ("clips", "label"),
    [
        ([(False, (0,)), (False, (2,))], None),
        ([(False, (0,)), (True, (1,)), (True, (1,)), (False, (2,))], "silence"),
        (
            [(True, (1,)), (True, (1,)), (False, (1,)), (True, (2,)), *[(False, (2,))] * 3],
            "silence",
        ),
        ([(True, (1,)), (False, (1,)), (False, (1,))], None),
        ([(True, (2,)), *[(False, (2,))] * 3], None),
        ([(True, (0,)), (True, (1,)), (True, (2,))], None),
        ([(True, (0, 1)), (True, (0, 1)), *[(False, (0,))] * 3], "silence"),
        ([(True, (1,)), (True, ()), (True, ())], None),
    ],
)
def test_the_label_that_is_mostly_silent_and_has_most_silence_is_its_label(clips, label):
    assert find(*clips) == label


def test_nothing_is_silent_where_the_rule_is_disabled():
    assert find((True, (1,)), (True, (1,)), silence_db=-200.0) is None


def test_a_clip_that_starts_with_silence_is_not_silent():
    frames = HeldFrames(
        FeatureConfig(), {ClipKey("a"): np.concatenate([*[SILENT] * 100, LOUD, SILENT])}
    )
    assert find_silence_label([Clip("a", ClipKey("a"), (1,))], frames, LABELS, -80.0) is None


def test_silence_does_not_get_the_label_of_the_background():
    frames = HeldFrames(FeatureConfig(), {ClipKey("a"): SILENT, ClipKey("b"): LOUD})
    clips = [Clip("a", ClipKey("a"), (1,)), Clip("b", ClipKey("b"), (0,))]
    assert find_silence_label(clips, frames, LABELS, -80.0) == "silence"
    assert find_silence_label(clips, frames, LABELS, -80.0, "silence") is None
