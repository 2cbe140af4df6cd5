"""How much of the band of recordings the features keep."""

import numpy as np
import pytest
import soundfile

from earmark.config import FeatureConfig
from earmark.features.band import describe_band, find_band


@pytest.mark.parametrize(
    ("sample_rate", "config", "is_far"),
    [
        (384_000, FeatureConfig(), True),
        (96_000, FeatureConfig(), True),
        (44_100, FeatureConfig(), False),
        (48_000, FeatureConfig(), False),
        (44_100, FeatureConfig(f_max=4000.0), True),
        (384_000, FeatureConfig(sample_rate=384_000), False),
    ],
)
def test_only_recordings_far_above_the_band_are_described(sample_rate, config, is_far):
    assert (describe_band(sample_rate, config) is not None) is is_far


def test_a_few_files_are_opened_and_bad_ones_do_not_count(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    soundfile.write(tmp_path / "bat.wav", np.zeros(1000), 384_000)
    paths = [tmp_path / name for name in ("bad.wav", "missing.wav", "bat.wav", "film.mkv")]
    assert "192 kHz" in find_band(paths, FeatureConfig())
    assert find_band(paths[:2], FeatureConfig()) is None
    assert find_band([], FeatureConfig()) is None
