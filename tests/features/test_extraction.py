"""Workers give the features that this process would compute, bit for bit."""

import numpy as np
import pytest

from earmark.audio.reading import WHOLE, Excerpt, stream_audio
from earmark.config import FeatureConfig
from earmark.features.extraction import (
    PART_GROUPS,
    extraction_job,
    extraction_pool,
    split_groups,
)
from earmark.features.log_mel import GROUP_FRAMES, LogMel, extract, join_features, stream_features

CONFIG = FeatureConfig(n_mels=8)
PART_SECONDS = PART_GROUPS * GROUP_FRAMES * CONFIG.hop_length / CONFIG.sample_rate


@pytest.mark.parametrize("seconds", [0.1, 5.0, PART_SECONDS, 2.5 * PART_SECONDS])
@pytest.mark.parametrize("excerpt", [WHOLE, Excerpt(0.0, 0.1)])
@pytest.mark.parametrize("pipelined", [False, True])
def test_the_features_are_those_of_extract(tmp_path, write_clip, seconds, excerpt, pipelined):
    path = write_clip(tmp_path / "a.wav", seconds, 22_050, kind="noise")
    with extraction_pool(CONFIG) as pool:
        parts = list(pool.stream(extraction_job(path, excerpt, pipelined=pipelined)))
    expected, found = extract(path, LogMel(CONFIG), excerpt), join_features(parts)
    np.testing.assert_array_equal(found.frames, expected.frames)
    assert found.duration_seconds == expected.duration_seconds
    assert all(len(one.frames) <= PART_GROUPS * GROUP_FRAMES for one in parts)


def test_parts_are_split_into_the_groups_of_the_front_end(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.wav", 2.2 * PART_SECONDS)
    with extraction_pool(CONFIG) as pool:
        found = list(split_groups(pool.stream(extraction_job(path))))
    blocks = stream_audio(path, CONFIG.sample_rate)
    expected = list(stream_features(blocks, LogMel(CONFIG)))
    assert [len(one.frames) for one in found] == [len(one.frames) for one in expected]
    assert found[-1].duration_seconds == expected[-1].duration_seconds
