"""Fixtures of the tests of data: a store of clips whose values name their clip and frame."""

import numpy as np
import pytest

from earmark.config import FeatureConfig
from earmark.data.content import Clip
from earmark.features.store import ClipKey, FeatureStore

LENGTHS = (30, 250, 100, 101, 640)
"""Frames of each clip."""


@pytest.fixture
def store(tmp_path):
    """A store of `LENGTHS`: band 0 holds the number of the clip, the others that of the frame."""
    store = FeatureStore(tmp_path / "store", FeatureConfig(n_mels=4))
    with store.writer() as writer:
        for number, length in enumerate(LENGTHS):
            frames = np.arange(length, dtype=np.float16)[:, None] + np.zeros(4, np.float16)
            frames[:, 0] = number
            writer.append(ClipKey(f"clip{number}"), frames)
    return store


@pytest.fixture
def clips():
    """The clips of the store, of two labels in turn."""
    return [Clip(f"{n}.wav", ClipKey(f"clip{n}"), (n % 2,)) for n in range(len(LENGTHS))]
