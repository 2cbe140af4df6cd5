import numpy as np
import pytest
import soundfile

from earmark.audio.reading import load_audio
from earmark.config import FeatureConfig
from earmark.features.log_mel import LogMel
from earmark.inference.segmentation import plot
from earmark.inference.segmentation.plot import make_overview

LOG_MEL = LogMel(FeatureConfig())


def test_columns_show_the_extremes_and_the_mean_of_what_lies_in_them(
    tmp_path, write_clip, monkeypatch
):
    monkeypatch.setattr(plot, "MAX_COLUMNS", 10)
    path = write_clip(tmp_path / "a.wav", seconds=10.0, kind="noise")
    found = make_overview(path, LOG_MEL, 10.0)
    parts = load_audio(path).samples.reshape(10, 16_000)
    np.testing.assert_array_equal(found.lowest, parts.min(axis=1))
    np.testing.assert_array_equal(found.highest, parts.max(axis=1))
    frames = LOG_MEL(parts.ravel())
    assert found.log_mel.shape == (40, 10)
    np.testing.assert_allclose(found.log_mel[:, 0], frames[:, :51].mean(axis=1), atol=1e-3)


@pytest.mark.parametrize("seconds", [0.1, 0.33, 30.0, 61.7])
def test_no_column_is_empty_whatever_the_length(tmp_path, write_clip, seconds):
    path = write_clip(tmp_path / "a.wav", seconds=seconds)
    duration_seconds = soundfile.info(path).frames / 16_000
    found = make_overview(path, LOG_MEL, duration_seconds)
    assert np.isfinite(found.log_mel).all()
    assert np.isfinite(found.lowest).all()
    assert len(found.lowest) <= plot.MAX_COLUMNS
