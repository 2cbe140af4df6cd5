"""Blocks are short enough for any number of channels, and exact where a codec can seek."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.audio.decoding import open_source
from earmark.audio.reading import WHOLE, load_audio
from earmark.audio.source import BLOCK_VALUES

MEASURE = """
import resource, sys
from earmark.audio.reading import stream_audio
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sum(map(len, stream_audio(sys.argv[1], 16_000, pipelined=True)))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
SEEKABLE = [
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "ALAW"),
    ("AIFF", "PCM_24"),
    ("CAF", "ALAC_24"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]


@pytest.mark.parametrize("name", ["WAV", "FLAC"])
def test_a_block_is_bounded_by_its_values(tmp_path, name):
    path = tmp_path / "a"
    channels = 8 if name == "FLAC" else 64
    soundfile.write(path, np.zeros((80_000, channels), np.int16), 655_350, format=name)
    with open_source(path) as source:
        sizes = [block.size for block in source.blocks(WHOLE)]
    assert sum(sizes) == 80_000 * channels
    assert max(sizes) <= BLOCK_VALUES


@pytest.mark.parametrize(("name", "subtype"), SEEKABLE)
def test_an_excerpt_equals_that_of_the_whole(tmp_path, tones, name, subtype):
    path = tmp_path / "a"
    soundfile.write(path, tones(9, 16_000), 16_000, subtype, format=name)
    whole = load_audio(path).samples
    tolerance = 1e-4 if name in ("OGG", "MP3") else 0.0
    for start, end in ((0.37, 1.21), (3.9, 4.3), (8.5, None)):
        expected = whole[round(start * 16_000) : None if end is None else round(end * 16_000)]
        samples = load_audio(path, start=start, end=end).samples
        np.testing.assert_allclose(samples, expected, rtol=0, atol=tolerance)


@pytest.mark.slow
def test_many_channels_at_a_high_rate_take_little_memory(tmp_path):
    path = tmp_path / "a.ogg"
    with soundfile.SoundFile(path, "w", 192_000, 64, "VORBIS", format="OGG") as file:
        for _ in range(20):
            file.write(np.zeros((50_000, 64), np.float32))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        capture_output=True,
        check=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    assert int(done.stdout) < 100
