from dataclasses import replace

import numpy as np
import pytest
import soundfile

from earmark.audio.reading import load_audio
from earmark.config import FeatureConfig
from earmark.errors import AudioError
from earmark.features.log_mel import LogMel
from earmark.inference.predictions import Prediction
from earmark.inference.segmentation import plot
from earmark.inference.segmentation.plot import draw_prediction, make_overview
from earmark.inference.segmentation.segments import Segment
from earmark.tasks.task import BINARY, MULTI_LABEL

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


@pytest.fixture
def prediction(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.wav", 4.0)
    segments = (Segment(0.0, 2.0, "a", 0.9), Segment(2.0, 4.0, "b", 0.8))
    return Prediction(path, ("a",), {"a": 0.9, "b": 0.8}, 4.0, segments=segments)


@pytest.mark.parametrize("task", [BINARY, MULTI_LABEL])
@pytest.mark.parametrize("labels", ["ab", ("$\\frac$ $", "caf\udce9\n<b>&")])
def test_a_picture_shows_any_labels(prediction, task, labels):
    names = dict(zip("ab", labels, strict=True))
    segments = tuple(replace(one, label=names[one.label]) for one in prediction.segments)
    probabilities = dict.fromkeys(labels, 0.5)
    renamed = replace(prediction, probabilities=probabilities, segments=segments, task=task)
    picture = draw_prediction(renamed, FeatureConfig(), "svg")
    assert picture.startswith("<svg")
    picture.encode()
    assert picture == draw_prediction(renamed, FeatureConfig(), "svg")
    assert draw_prediction(renamed, FeatureConfig(), "png").startswith(b"\x89PNG")


def test_a_recording_that_is_gone_cannot_be_drawn(prediction):
    prediction.path.unlink()
    with pytest.raises(AudioError, match=r"a\.wav"):
        draw_prediction(prediction, FeatureConfig(), "png")
