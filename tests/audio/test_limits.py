"""What a file of strangers may hold is counted while it is decoded."""

from pathlib import Path

import numpy as np
import pytest

from earmark.audio.downmix import Downmix
from earmark.audio.limits import SoundLimits, within
from earmark.errors import AudioError

SECOND = np.zeros((16_000, 2), np.float32)


def read(num_seconds, limits):
    """The number of samples that pass of blocks of a second in two channels."""
    downmix = Downmix()
    blocks = downmix.read("a", [SECOND] * num_seconds, 16_000)
    return sum(map(len, within(limits, Path("a.wav"), blocks, 16_000, downmix)))


def test_sound_within_the_limits_passes():
    assert read(3, SoundLimits(3.0, 3 * SECOND.nbytes)) == 48_000


@pytest.mark.parametrize(
    "limits", [SoundLimits(2.9, 10**9), SoundLimits(10.0, 3 * SECOND.nbytes - 1)]
)
def test_more_is_a_fault_of_the_file(limits):
    with pytest.raises(AudioError, match=r"a\.wav") as caught:
        read(3, limits)
    assert caught.value.fault == "limit"
    assert "\n" not in str(caught.value)


def test_nothing_is_read_past_a_limit():
    downmix, asked = Downmix(), []
    native = (asked.append(one) or SECOND for one in range(100))
    blocks = downmix.read("a", native, 16_000)
    with pytest.raises(AudioError):
        list(within(SoundLimits(2.0, 10**9), Path("a"), blocks, 16_000, downmix))
    assert len(asked) == 3
