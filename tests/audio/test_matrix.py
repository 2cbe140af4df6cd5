"""Formats x writers x excerpts: every reading path against an independent reader.

Lossless files are compared with the samples that were written, others with what PyAV decodes from
the whole file. `benchmarks/reading_matrix.py` does the same with the commands ffmpeg and sox.
"""

import numpy as np
import pytest
import soundfile

from earmark.audio.reading import load_audio

LOSSLESS = {
    "wav": ("WAV", "PCM_16"),
    "wav24": ("WAVEX", "PCM_24"),
    "wav_float": ("WAV", "FLOAT"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "alac": ("CAF", "ALAC_16"),
    "flac": ("FLAC", "PCM_16"),
    "nist": ("NIST", "PCM_16"),
    "av.flac": ("flac", {}),
    "av.wav": ("pcm_s16le", {}),
    "av.aiff": ("pcm_s16be", {}),
    "av.caf": ("alac", {}),
    "av.oga": ("flac", {"format": "ogg"}),
}
LOSSY = {
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "av.ogg": ("libvorbis", {}),
    "av.mp3": ("libmp3lame", {}),
    "av.vbr.mp3": ("libmp3lame", {"q": "4"}),
    "av.plain.mp3": ("libmp3lame", {"write_xing": "0"}),
    "av.vbr.plain.mp3": ("libmp3lame", {"write_xing": "0", "q": "4"}),
    "av.mp3.wav": ("libmp3lame", {}),
    "av.mp2": ("mp2", {}),
}
SHAPES = [(3.06, 44_100, 2), (5.0, 16_000, 1), (1.0, 48_000, 6), (0.15, 22_050, 1)]
STEREO_ONLY = ("mp3", "mp2")
TOLERANCE = 1e-3


def written(folder, name, sound, sample_rate, encode):
    writer, how = {**LOSSLESS, **LOSSY}[name]
    path = folder / f"a.{name}"
    if isinstance(how, dict):
        return encode(path, sound, sample_rate, writer, **how)
    soundfile.write(path, sound, sample_rate, how, format=writer)
    return path


def check_excerpts(path, expected, sample_rate, tolerance):
    seconds = len(expected) / sample_rate
    excerpts = [(0.0, None)]
    if seconds > 0.6:
        excerpts.append((round(seconds - 0.5, 3), None))
    if seconds > 1.3:
        excerpts.append((0.37, 1.21))
    if seconds > 4.5:
        excerpts.append((3.8, 4.3))
    for start, end in excerpts:
        sound = load_audio(path, start=start, end=end)
        stop = None if end is None else round(end * sample_rate)
        part = expected[round(start * sample_rate) : stop]
        assert sound.sample_rate == sample_rate
        assert abs(len(sound.samples) - len(part)) <= 1
        shared = min(len(sound.samples), len(part))
        np.testing.assert_allclose(sound.samples[:shared], part[:shared], rtol=0, atol=tolerance)


@pytest.mark.parametrize(("seconds", "sample_rate", "channels"), SHAPES)
@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_files_hold_what_was_written(
    tmp_path, tones, encode, name, seconds, sample_rate, channels
):
    sound = tones(seconds, sample_rate, channels)
    path = written(tmp_path, name, sound, sample_rate, encode)
    check_excerpts(path, sound.mean(axis=1), sample_rate, 1e-6)


@pytest.mark.parametrize(("seconds", "sample_rate", "channels"), SHAPES[:3])
@pytest.mark.parametrize("name", LOSSY)
def test_lossy_files_are_decoded_as_by_another_reader(
    tmp_path, tones, encode, decoded, name, seconds, sample_rate, channels
):
    channels = min(channels, 2) if any(part in name for part in STEREO_ONLY) else channels
    sound = tones(seconds, sample_rate, channels)
    path = written(tmp_path, name, sound, sample_rate, encode)
    check_excerpts(path, decoded(path), sample_rate, TOLERANCE)
