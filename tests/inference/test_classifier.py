"""Whole sounds, windows and streams; segments are tested in segmentation/test_timeline.py."""

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings

from earmark.audio.reading import load_audio, stream_audio
from earmark.config import load_config
from earmark.errors import AudioError, CheckpointError, ConfigError, FailedFile
from earmark.features.extraction import extraction_job
from earmark.features.log_mel import extract
from earmark.inference.classifier import Classifier, load_model
from earmark.models.spec import ModelSpec
from earmark.tasks.task import BINARY

SPEC = ModelSpec(load_config(), ("music", "speech"), window_frames=51)
SOUND = np.random.default_rng(0).normal(0, 0.1, 6 * 16_000).astype(np.float32)
"""Longer than a group of frames."""


def backend(windows):
    """A logit that depends on every value of a window."""
    weights = np.random.default_rng(0).normal(0, 1e-3, windows.shape[1:])
    return np.einsum("wmf,mf->w", windows, weights)[:, None]


SHARED = Classifier(SPEC, backend)


@pytest.fixture
def classifier():
    return SHARED


@pytest.fixture
def here(monkeypatch):
    """The files that are decoded in this process, each with whether in threads of its own."""
    calls = []

    def recorded(path, *arguments, pipelined=False, **options):
        calls.append((path, pipelined))
        return stream_audio(path, *arguments, pipelined=pipelined, **options)

    monkeypatch.setattr("earmark.inference.classifier.stream_audio", recorded)
    return calls


@pytest.fixture
def elsewhere(monkeypatch):
    """The files that are decoded in processes of their own, as for `here`."""
    calls = []

    def recorded(path, *arguments, pipelined=False, **options):
        calls.append((path, pipelined))
        return extraction_job(path, *arguments, pipelined=pipelined, **options)

    monkeypatch.setattr("earmark.inference.classifier.extraction_job", recorded)
    return calls


@pytest.mark.parametrize("segments", [False, True])
def test_a_file_is_decoded_once_and_in_threads_of_its_own_only_if_it_is_alone(
    classifier, write_clip, tmp_path, here, elsewhere, segments
):
    paths = [write_clip(tmp_path / f"{n}.wav", seconds=2.0, seed=n) for n in range(4)]
    classifier.predict(paths[0], segments=segments)
    list(classifier.predict_many(paths[:1], segments=segments))
    assert (here, elsewhere) == ([(paths[0], True)] * 2, [])
    here.clear()
    list(classifier.predict_many(paths[:1], segments=segments, isolated=True))
    assert (here, elsewhere) == ([], [(paths[0], True)])
    elsewhere.clear()
    results = list(classifier.predict_many(paths, segments=segments))
    assert (here, elsewhere) == ([], [(path, False) for path in paths])
    assert [one.segments is not None for one in results] == [segments] * 4


@pytest.mark.parametrize("segments", [False, True])
def test_a_file_among_many_is_predicted_as_alone_bit_for_bit(
    classifier, write_clip, tmp_path, segments
):
    seconds = (0.3, 90.0, 7.7)
    paths = [
        write_clip(tmp_path / f"{n}.wav", seconds=one, sample_rate=22_050, kind="noise", seed=n)
        for n, one in enumerate(seconds)
    ]
    alone = [classifier.predict(path, segments=segments) for path in paths]
    assert list(classifier.predict_many(paths, segments=segments)) == alone


@pytest.mark.parametrize("segments", [False, True])
def test_files_that_crash_or_eat_memory_fail_and_the_others_are_predicted(
    classifier, write_clip, tmp_path, hostile_decoder, segments
):
    names = ["a", "crash", "b", "c", "memory", "d", "crash_late"]
    paths = [
        write_clip(tmp_path / f"{name}.wav", 100.0 if "late" in name else 1.0, seed=at)
        for at, name in enumerate(names)
    ]
    results = list(classifier.predict_many(paths, segments=segments))
    failed = [one for one in results if isinstance(one, FailedFile)]
    assert [one.path for one in results] == paths
    assert [one.path.stem for one in failed] == ["crash", "memory", "crash_late"]
    assert all(str(one.path) in one.error for one in failed)


def test_segments_do_not_change_the_label(classifier, write_clip, tmp_path):
    path = write_clip(tmp_path / "a.wav", seconds=7.3, sample_rate=22_050)
    plain, timed = classifier.predict(path), classifier.predict(path, segments=True)
    assert replace(timed, segments=None) == plain
    assert (timed.segments[0].start, timed.segments[-1].end) == pytest.approx((0, 7.3), abs=1e-3)
    samples = load_audio(path)
    from_samples = classifier.predict(
        samples.samples, sample_rate=samples.sample_rate, segments=True
    )
    assert from_samples.segments == timed.segments


def test_a_prediction_has_label_probabilities_and_length(classifier, write_clip, tmp_path):
    path = write_clip(tmp_path / "a.wav", seconds=1.5, sample_rate=22_050)
    prediction = classifier.predict(path)
    assert prediction.path == path
    assert prediction.duration_seconds == pytest.approx(1.5, abs=1e-3)
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert prediction.label == max(prediction.probabilities, key=prediction.probabilities.get)


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0, 3.3])
def test_clips_of_any_length_are_predicted(classifier, write_clip, tmp_path, seconds):
    path = write_clip(tmp_path / "a.wav", seconds=seconds)
    assert np.isfinite(list(classifier.predict(path).probabilities.values())).all()


def test_silence_gets_finite_probabilities(classifier, write_clip, tmp_path):
    path = write_clip(tmp_path / "a.wav", kind="silence")
    assert np.isfinite(list(classifier.predict(path).probabilities.values())).all()


def test_a_file_that_fails_is_reported_and_the_others_go_on(classifier, write_clip, tmp_path):
    good = write_clip(tmp_path / "good.wav")
    bad = tmp_path / "bad.wav"
    bad.write_text("text")
    results = list(classifier.predict_many([bad, good]))
    assert isinstance(results[0], FailedFile)
    assert set(results[0].to_dict()) == {"path", "error"}
    assert set(results[1].to_dict()) == {"path", "label", "probabilities", "duration_seconds"}
    with pytest.raises(AudioError, match=r"bad\.wav"):
        classifier.predict(bad)


def test_the_threshold_of_the_specification_decides(write_clip, tmp_path):
    path = write_clip(tmp_path / "a.wav")
    labels = {}
    for threshold in (0.0, 1.0):
        spec = ModelSpec(SPEC.config, SPEC.labels, SPEC.window_frames, BINARY, (threshold,))
        labels[threshold] = Classifier(spec, backend).predict(path).label
    assert labels == {0.0: "speech", 1.0: "music"}


def test_many_files_come_in_order_while_the_next_are_decoded(classifier, write_clip, tmp_path):
    paths = [write_clip(tmp_path / f"{n}.wav", 2 - n / 10, seed=n) for n in range(12)]
    paths.insert(5, tmp_path / "missing.wav")
    results = list(classifier.predict_many(map(str, paths)))
    assert [one.path for one in results] == paths
    expected = [classifier.predict(path) for path in paths if path.exists()]
    assert [one for one in results if not isinstance(one, FailedFile)] == expected


def test_files_are_not_decoded_long_before_they_are_asked_for(
    classifier, write_clip, tmp_path, monkeypatch
):
    monkeypatch.setattr("earmark.system.parallel.default_num_workers", lambda: 2)
    path = write_clip(tmp_path / "a.wav")
    taken = []

    def many():
        for number in range(100):
            taken.append(number)
            yield path

    next(classifier.predict_many(many()))
    assert len(taken) < 20


def test_samples_are_predicted_as_the_file_that_holds_them(classifier, tmp_path, rng):
    samples = rng.normal(0, 0.1, (50_000, 2)).astype(np.float32)
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, 22_050, subtype="FLOAT")
    from_file, from_samples = (
        classifier.predict(path),
        classifier.predict(samples, sample_rate=22_050),
    )
    assert from_samples.probabilities == from_file.probabilities
    assert from_samples.duration_seconds == pytest.approx(50_000 / 22_050, abs=1e-3)
    own_rate = classifier.predict(samples[:, 0])
    assert own_rate.duration_seconds == 50_000 / 16_000


def test_a_rate_for_a_file_is_refused(classifier, write_clip, tmp_path):
    with pytest.raises(ConfigError, match=r"a\.wav.*sample_rate"):
        classifier.predict(write_clip(tmp_path / "a.wav"), sample_rate=8000)


def test_a_rate_of_zero_is_no_rate(classifier, rng):
    samples = rng.normal(0, 0.1, 16_000)
    with pytest.raises(ConfigError, match="sample_rate = 0"):
        classifier.predict(samples, sample_rate=0)
    with pytest.raises(ConfigError, match="sample_rate = 0"):
        next(classifier.stream([samples], sample_rate=0))


def test_threads_share_a_classifier(classifier, rng):
    clips = [rng.normal(0, 0.1, 1600 * length).astype(np.float32) for length in range(1, 41)]
    expected = [classifier.predict(clip) for clip in clips]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(classifier.predict, clips)) == expected


def same_windows(some, others):
    some, others = list(some), list(others)
    assert [one[:2] for one in some] == [one[:2] for one in others]
    np.testing.assert_allclose([one[2] for one in some], [one[2] for one in others], atol=1e-6)


@settings(max_examples=30)
@given(
    cuts=st.lists(st.integers(0, len(SOUND)), max_size=30).map(sorted),
    num_samples=st.integers(1600, len(SOUND)),
    hop_seconds=st.floats(0.05, 3),
)
def test_streamed_windows_do_not_depend_on_the_blocks(cuts, num_samples, hop_seconds):
    blocks = np.split(SOUND[:num_samples], [cut for cut in cuts if cut < num_samples])
    whole = SHARED.stream([SOUND[:num_samples]], hop_seconds=hop_seconds)
    same_windows(SHARED.stream(blocks, hop_seconds=hop_seconds), whole)


@pytest.mark.parametrize("seconds", [0.1, 0.98, 1.0, 1.02, 5.97])
@pytest.mark.parametrize("hop_seconds", [None, 0.25])
def test_streamed_windows_are_those_of_the_file(classifier, tmp_path, seconds, hop_seconds):
    path = tmp_path / "a.wav"
    soundfile.write(path, SOUND[: round(seconds * 16_000)], 16_000, subtype="FLOAT")
    offline = list(classifier.windows(path, hop_seconds=hop_seconds))
    blocks = np.array_split(SOUND[: round(seconds * 16_000)], 37)
    same_windows(classifier.stream(blocks, hop_seconds=hop_seconds), offline)
    assert offline[0].start_seconds == 0
    assert seconds - 0.02 < offline[-1].end_seconds <= seconds


def test_windows_are_those_that_a_prediction_is_made_from(classifier, write_clip, tmp_path):
    path = write_clip(tmp_path / "a.wav", seconds=4.6)
    second = np.array([one.probabilities[1] for one in classifier.windows(path)])
    pooled = np.log(second / (1 - second)).mean()
    expected = classifier.predict(path).probabilities["speech"]
    assert 1 / (1 + np.exp(-pooled)) == pytest.approx(expected, abs=1e-6)


def test_a_streamed_window_comes_with_its_last_sample(classifier):
    num_samples = 0

    def live():
        nonlocal num_samples
        for block in np.split(SOUND, 100):
            num_samples += len(block)
            yield block

    first = next(classifier.stream(live()))
    # The last frame reaches half a transform beyond its centre, and a block is 960 samples.
    assert num_samples <= first.end_seconds * 16_000 + 512 + 960


def test_a_stream_of_another_rate_is_resampled(classifier, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, SOUND[:30_000], 22_050, subtype="FLOAT")
    streamed = classifier.stream(np.split(SOUND[:30_000], 30), sample_rate=22_050)
    same_windows(streamed, classifier.windows(path))


@pytest.mark.parametrize("hop_seconds", [0.0, -1.0, float("nan"), float("inf"), 1e308])
def test_a_hop_that_is_not_positive_is_refused_at_once(classifier, hop_seconds):
    with pytest.raises(ConfigError, match="hop_seconds"):
        classifier.stream([], hop_seconds=hop_seconds)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 70.0])
@pytest.mark.parametrize("overlap", [0.0, 0.8])
def test_frames_are_predicted_as_the_file_that_they_are_from(
    write_clip, tmp_path, seconds, overlap
):
    classifier = Classifier(SPEC.adjust([f"predict.overlap={overlap}"]), backend)
    path = write_clip(tmp_path / "a.wav", seconds, sample_rate=22_050)
    frames = extract(path, classifier._front_end).frames
    found = classifier.predict_frames(frames).probabilities[0]
    assert tuple(found) == tuple(classifier.predict(path).probabilities.values())


def test_no_more_of_a_long_file_is_held_than_of_a_short_one(tmp_path):
    classifier = Classifier(SPEC, lambda windows: np.zeros((len(windows), 1)))
    peaks = []
    for minutes in (4, 16):
        path = tmp_path / f"{minutes}.wav"
        soundfile.write(path, np.zeros(minutes * 60 * 1000, np.int16), 1000)
        tracemalloc.start()
        classifier.predict(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_work_that_nobody_waits_for_ends(classifier, write_clip, tmp_path):
    path = write_clip(tmp_path / "a.wav", 3.0)
    results = classifier.predict_many([path] * 20)
    next(results)
    results.close()
    assert threading.active_count() < 10


def test_a_classifier_shows_what_it_is(classifier):
    assert eval(repr(classifier).replace("Classifier", "dict")) == {
        "labels": ("music", "speech"),
        "task": "binary",
        "sample_rate": 16_000,
        "window_seconds": 1.0,
    }


def test_a_model_is_loaded_by_name_with_other_settings(tmp_path):
    model = load_model("speech-music", settings=["predict.overlap=0.5"])
    assert model.spec.config.predict.overlap == 0.5
    with pytest.raises(ConfigError, match=r"train\.epochs"):
        load_model("speech-music", settings=["train.epochs=1"])
    with pytest.raises(CheckpointError, match="gone"):
        load_model(tmp_path / "gone")


def test_a_file_whose_logits_are_not_finite_fails_alone_and_names_the_model(tmp_path):
    def breaks_when_loud(windows):
        logits = backend(windows)
        logits[windows.max(axis=(1, 2)) > -10] = np.nan
        return logits

    soft = tmp_path / "soft.wav"
    soundfile.write(soft, SOUND / 1000, 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "loud.wav", SOUND, 16_000, subtype="FLOAT")
    fragile = Classifier(SPEC, breaks_when_loud, "fragile.onnx")
    first, second = fragile.predict_many([tmp_path / "loud.wav", soft])
    assert isinstance(first, FailedFile)
    assert "loud.wav" in first.error
    assert "fragile.onnx" in first.error
    assert not isinstance(second, FailedFile)
    with pytest.raises(CheckpointError, match="fragile"):
        fragile.predict(SOUND)


def test_one_channel_of_a_file_or_an_array_is_predicted(tmp_path):
    config = load_config(settings=["features.channel=2"])
    second = Classifier(replace(SPEC, config=config), backend)
    both = np.stack([0 * SOUND, SOUND], axis=1)
    soundfile.write(tmp_path / "a.wav", both, 16_000, subtype="FLOAT")
    expected = SHARED.predict(SOUND).probabilities
    assert second.predict(tmp_path / "a.wav").probabilities == expected
    assert second.predict(both).probabilities == expected
    assert second.predict(SOUND).probabilities == expected


def test_channels_that_cancel_are_noted(tmp_path, classifier):
    opposite = np.stack([SOUND, -SOUND], axis=1)
    soundfile.write(tmp_path / "a.wav", opposite, 16_000, subtype="FLOAT")
    for sound in (tmp_path / "a.wav", opposite):
        found = classifier.predict(sound)
        assert found.abstained == "silence"
        assert [one["kind"] for one in found.to_dict()["notes"]] == ["out_of_phase"]


def test_the_band_is_noted_once(tmp_path, caplog):
    classifier = Classifier(SPEC, backend)
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", SOUND, 384_000)
    with caplog.at_level("INFO", logger="earmark"):
        list(classifier.predict_many([tmp_path / "a.wav", tmp_path / "b.wav"]))
        classifier.predict(SOUND, sample_rate=384_000)
    assert len([one for one in caplog.records if "192 kHz" in one.getMessage()]) == 1


@pytest.mark.parametrize("labels", [("silence", "speech"), ("music", "silence")])
def test_silence_with_a_label_is_predicted_in_whole_sounds_streams_and_segments(labels):
    spec = ModelSpec(load_config(), labels, 51, BINARY, silence_label="silence")
    classifier = Classifier(
        spec, lambda windows: np.full((len(windows), 1), 3.0 - 6 * (labels[1] == "silence"))
    )
    other = next(one for one in labels if one != "silence")
    silence = np.zeros(5 * 16_000, np.float32)
    assert classifier.predict(silence).label == "silence"
    assert classifier.predict(silence).probabilities["silence"] == 1.0
    assert {one.labels for one in classifier.stream([silence])} == {("silence",)}
    found = classifier.predict(np.concatenate([SOUND, silence, SOUND]), segments=True)
    assert found.label == other
    assert [one.label for one in found.segments] == [other, "silence", other]
    assert found.seconds_by_label["silence"] == pytest.approx(5.0, abs=0.7)


@pytest.mark.parametrize("num_files", [1, 3])
def test_who_watches_learns_how_much_sound_is_read(write_clip, tmp_path, num_files):
    paths = [write_clip(tmp_path / f"{number}.wav", 9.0) for number in range(num_files)]
    seconds = []
    predictions = Classifier.load("speech-music").predict_many(paths, watch=seconds.append)
    assert len(list(predictions)) == num_files
    assert sum(seconds) == pytest.approx(9.0 * num_files)
    # Within a file, too.
    assert len(seconds) > num_files
