"""Frames that are gone from the middle of an mp3 without an Info frame are a finding."""

import numpy as np
import pytest

from earmark.audio.decoding import open_source


@pytest.fixture(scope="module")
def stream(tmp_path_factory, encode, tones):
    """Four seconds of an mp3 whose frames need data of those before them."""
    path = tmp_path_factory.mktemp("stream") / "a.mp3"
    sound = tones(4, 44_100)
    sound += np.random.default_rng(3).normal(0, 0.02, sound.shape).astype(sound.dtype)
    options = {"write_xing": "0", "id3v2_version": "0", "b": "128000"}
    encode(path, sound, 44_100, "libmp3lame", **options)
    return path.read_bytes()


def losses(path, content):
    path.write_bytes(content)
    with open_source(path) as source:
        return [note.text for note in source.notes if note.kind == "lost_sound"]


@pytest.mark.parametrize("filling", [bytes, lambda size: b"\x01Stream" * (size // 7)])
def test_overwritten_frames_are_noted_with_their_time(tmp_path, stream, filling):
    content = stream[:32_000] + filling(7000) + stream[39_000:]
    (text,) = losses(tmp_path / "a.mp3", content)
    assert "at 1.9" in text or "at 2.0" in text


def test_several_places_are_counted(tmp_path, stream):
    content = stream[:16_000] + bytes(4000) + stream[20_000:40_000] + bytes(4000) + stream[44_000:]
    (text,) = losses(tmp_path / "a.mp3", content)
    assert "2 places" in text


@pytest.mark.parametrize("between", [b"", bytes(700), b"ID3\3\0\0\0\0\0\x0a" + bytes(10)])
def test_joined_streams_lose_nothing(tmp_path, stream, between):
    assert losses(tmp_path / "a.mp3", stream + between + stream) == []
