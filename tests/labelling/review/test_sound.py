"""The sound and the picture of clips, against the samples that were written."""

import io

import numpy as np
import pytest
import soundfile

from earmark.audio.source import WHOLE, Excerpt
from earmark.errors import AudioError
from earmark.labelling.review.sound import Sounds, Span, draw_bands, first_span

RATE = 8000


@pytest.fixture(scope="module")
def sounds():
    with Sounds() as opened:
        yield opened


@pytest.fixture
def noise(tmp_path):
    """10 s of noise as a file, and its samples."""
    samples = (0.1 * np.random.default_rng(0).standard_normal(10 * RATE)).clip(-1, 1)
    path = tmp_path / "noise.wav"
    soundfile.write(path, samples, RATE, "PCM_16")
    return path, soundfile.read(path)[0]


def decoded(view):
    return soundfile.read(io.BytesIO(view.sound))


@pytest.mark.parametrize(
    ("span", "end"),
    [
        (Span(0.0, 10.0), 10.0),
        (Span(2.5, 4.0), 4.0),
        (Span(8.0, 13.0), 10.0),
        (Span(9.0, 60.0), 10.0),
    ],
)
def test_a_view_has_the_samples_of_its_span(sounds, noise, span, end):
    path, samples = noise
    view = sounds.view(path, WHOLE, span)
    found, rate = decoded(view)
    assert rate == view.sample_rate == RATE
    np.testing.assert_array_equal(found, samples[round(span.start * RATE) : round(end * RATE)])
    assert view.span == (span.start, end)
    assert view.is_at_end == (end == 10.0)
    assert view.seconds == pytest.approx(10.0)
    assert len(view.bands) == pytest.approx((end - span.start) * view.frames_per_second, abs=2)


def test_a_clip_beyond_its_file_is_an_error(sounds, noise):
    path, _ = noise
    with pytest.raises(AudioError) as caught:
        sounds.view(path, Excerpt(9.0, 12.0), Span(6.0, 15.0))
    assert caught.value.fault == "short"
    with pytest.raises(AudioError):
        sounds.view(path, Excerpt(20.0, None), Span(17.0, 30.0))


def test_a_file_that_is_no_sound_is_an_error(sounds, tmp_path):
    (tmp_path / "text.wav").write_text("no sound at all")
    with pytest.raises(AudioError):
        sounds.view(tmp_path / "text.wav", WHOLE, Span(0, 60))
    with pytest.raises(AudioError) as caught:
        sounds.view(tmp_path / "missing.wav", WHOLE, Span(0, 60))
    assert caught.value.fault == "missing"


def test_ultrasound_is_shown_and_its_audible_part_is_played(sounds, tmp_path):
    rate = 192_000
    seconds = np.arange(rate) / rate
    tone = 0.3 * np.sin(2 * np.pi * 60_000 * seconds)
    soundfile.write(tmp_path / "bat.wav", tone, rate)
    view = sounds.view(tmp_path / "bat.wav", WHOLE, Span(0, 60))
    samples, played = decoded(view)
    assert played == 48_000
    assert np.abs(samples[2000:-2000]).max() < 1e-3
    loudest = view.bands.astype(int).sum(axis=0).argmax()
    assert loudest > 0.75 * view.bands.shape[1]


@pytest.mark.parametrize("rate", [1000, 4000, 16_000, 96_000])
@pytest.mark.parametrize("seconds", [0.1, 2.0])
def test_a_picture_has_its_loudest_band_where_a_tone_is(rate, seconds):
    time = np.arange(round(rate * seconds)) / rate
    heights = []
    for part in (0.1, 0.3):
        samples = np.sin(2 * np.pi * part * rate * time).astype(np.float32)
        bands, frames_per_second = draw_bands(samples, rate)
        assert bands.max() == 255
        assert len(bands) == pytest.approx(seconds * frames_per_second, abs=2)
        heights.append(bands[len(bands) // 2].argmax())
    assert heights[0] < heights[1]


def test_silence_is_dark():
    bands, _ = draw_bands(np.zeros(8000, np.float32), 8000)
    assert bands.max() < 160


def test_a_long_file_is_shown_in_parts():
    assert first_span(WHOLE, 3.0) == (0, 60)
    assert first_span(Excerpt(100.0, 300.0), 5.0) == (95, 155)
    assert first_span(Excerpt(1.0, 2.0), 5.0) == (0, 7)
