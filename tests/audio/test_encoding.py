import io

import numpy as np
import pytest
import soundfile

from earmark.audio.encoding import encode


@pytest.mark.parametrize(
    ("codec", "bit_rate"), [("mp3", 16_000), ("mp3", 48_000), ("opus", 8_000), ("opus", 24_000)]
)
def test_a_file_has_the_given_bit_rate(codec, bit_rate, rng):
    sound = 0.1 * rng.standard_normal(16_000 * 8, dtype=np.float32)
    assert 8 * len(encode(sound, 16_000, codec, bit_rate)) / 8.0 == pytest.approx(bit_rate, rel=0.3)


@pytest.mark.parametrize("codec", ["mp3", "opus"])
@pytest.mark.parametrize("sample_rate", [4_000, 8_000, 16_000, 22_050, 44_100, 96_000])
@pytest.mark.parametrize("seconds", [0.1, 1.234])
def test_any_rate_and_length_is_encoded_and_read_back(codec, sample_rate, seconds):
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    sound = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    decoded, rate = soundfile.read(io.BytesIO(encode(sound, sample_rate, codec, 16_000)))
    assert len(decoded) / rate == pytest.approx(seconds, abs=0.1)
    spectrum = np.abs(np.fft.rfft(decoded, 10 * rate))
    assert spectrum.argmax() / 10 == pytest.approx(440, abs=5)


def test_an_mp3_file_of_a_low_bit_rate_has_a_rate_of_its_format():
    sound = np.zeros(48_000, np.float32)
    rates = [
        soundfile.info(io.BytesIO(encode(sound, 48_000, "mp3", bit_rate))).samplerate
        for bit_rate in (24_000, 64_000)
    ]
    assert rates == [24_000, 48_000]
