"""From files to segments, with a network of known output; smoothing is in test_segments.py."""

import itertools

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark.config import load_config
from earmark.errors import FailedFile
from earmark.features.log_mel import LogMel
from earmark.inference.classifier import Classifier
from earmark.models.spec import ModelSpec
from earmark.tasks.task import MULTI_LABEL

RATE = 8000
CONFIG = ("features.sample_rate=8000", "features.n_fft=512", "features.win_length=320",
          "features.hop_length=160", "features.f_max=4000")  # fmt: skip
NOISE = np.random.default_rng(0).standard_normal(60 * RATE).astype(np.float32)
LOUD, MIDDLE, QUIET = 0.1, 0.1 / 31.6, 0.0001


def classifier(*changes, labels=("quiet", "loud"), **spec):
    """A model of the mean level of a window over its frames, in decibels."""
    config = load_config(settings=[*CONFIG, *changes])
    middle = LogMel(config.features)(MIDDLE * NOISE[:RATE]).mean()

    def backend(windows):
        logits = 0.2 * (windows.mean(axis=(1, 2)) - middle)
        return np.stack([-logits, logits], axis=1) if "task" in spec else logits[:, None]

    return Classifier(ModelSpec(config, labels, 51, **spec), backend)


def write(path, seconds):
    """Noise that is loud and quiet in turn."""
    gains = np.repeat(
        np.resize([LOUD, QUIET], len(seconds)), np.round(np.multiply(seconds, RATE)).astype(int)
    )
    soundfile.write(path, gains * NOISE[: len(gains)], RATE, subtype="FLOAT")
    return path


def rows(segments):
    return [(one.start, one.end, one.label) for one in segments]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seconds=st.lists(st.floats(1.6, 4.0), min_size=1, max_size=5),
    hop_seconds=st.sampled_from([0.06, 0.1, 0.3]),
    smoothing=st.sampled_from(["viterbi", "median", "none"]),
)
def test_changes_are_found_where_they_are(tmp_path, seconds, hop_seconds, smoothing):
    """The label of a window changes when half of it does."""
    path = write(tmp_path / "a.wav", seconds)
    model = classifier(
        *(f"predict.hop_seconds={hop_seconds}", f"predict.smoothing={smoothing}"),
        "predict.min_segment_seconds=1.0",
    )
    segments = model.predict(path, segments=True).segments
    assert [one.label for one in segments] == list(np.resize(["loud", "quiet"], len(seconds)))
    ends = np.cumsum(seconds)
    # Frames across a change are loud.
    np.testing.assert_allclose(
        [one.end for one in segments[:-1]], ends[:-1], atol=hop_seconds / 2 + 0.06
    )
    assert segments[0].start == 0
    assert segments[-1].end == pytest.approx(ends[-1], abs=1e-3)
    assert all(before.end == after.start for before, after in itertools.pairwise(segments))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seconds=st.lists(st.floats(0.05, 1.5), min_size=1, max_size=12),
    hop_seconds=st.sampled_from([0.06, 0.1, 0.25]),
    min_segment_seconds=st.floats(0.3, 3.0),
    several=st.booleans(),
)
def test_no_segment_is_shorter_than_the_minimum(
    tmp_path, seconds, hop_seconds, min_segment_seconds, several
):
    path = write(tmp_path / "a.wav", [0.1, *seconds])
    model = classifier(
        f"predict.hop_seconds={hop_seconds}",
        f"predict.min_segment_seconds={min_segment_seconds}",
        **({"task": MULTI_LABEL} if several else {}),
    )
    prediction = model.predict(path, segments=True)
    hop_seconds = 0.02 * round(hop_seconds / 0.02)
    shortest = min(
        round(min_segment_seconds / hop_seconds) * hop_seconds, prediction.duration_seconds
    )
    for one in prediction.segments:
        assert one.end - one.start >= shortest - 0.0011


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0])
def test_a_recording_shorter_than_a_window_is_one_segment(tmp_path, seconds):
    path = write(tmp_path / "a.wav", [seconds])
    assert rows(classifier().predict(path, segments=True).segments) == [(0.0, seconds, "loud")]


def test_many_files_are_predicted_in_order_each_as_if_alone(tmp_path):
    paths = [write(tmp_path / f"{n}.wav", [1.0 + n % 3, 2.0]) for n in range(9)]
    (tmp_path / "3.wav").write_text("text")
    (tmp_path / "7.wav").unlink()
    results = list(classifier().predict_many(iter(paths), segments=True))
    assert [one.path for one in results] == paths
    for number, (path, result) in enumerate(zip(paths, results, strict=True)):
        if number in (3, 7):
            assert isinstance(result, FailedFile)
            assert result.error.startswith(f"{path}: ")
        else:
            assert result == classifier().predict(path, segments=True)


def test_an_error_of_the_network_is_no_failure_of_a_file(tmp_path):
    def backend(windows):
        raise ZeroDivisionError

    broken = Classifier(classifier().spec, backend)
    with pytest.raises(ZeroDivisionError):
        list(broken.predict_many([write(tmp_path / "a.wav", [1.0])], segments=True))


def test_files_are_not_predicted_long_before_they_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("earmark.system.parallel.default_num_workers", lambda: 2)
    path = write(tmp_path / "a.wav", [1.0])
    taken = []
    many = (taken.append(number) or path for number in range(100))
    results = classifier().predict_many(many, segments=True)
    next(results)
    assert len(taken) < 10
    results.close()
