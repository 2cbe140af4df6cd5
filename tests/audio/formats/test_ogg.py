"""Ogg files are taken apart into pages and recordings."""

import numpy as np
import pytest
import soundfile

from earmark.audio.formats import ogg


@pytest.fixture(scope="module")
def content(tmp_path_factory, tones):
    path = tmp_path_factory.mktemp("ogg") / "a.ogg"
    soundfile.write(path, tones(2, 16_000), 16_000)
    return path.read_bytes()


def links(path, content):
    path.write_bytes(content)
    with path.open("rb") as file:
        return ogg.links(file, len(content))


def test_a_recording_has_a_start_an_end_and_a_length(tmp_path, content):
    (link,) = links(tmp_path / "a", content)
    assert (link.start, link.end, link.num_samples) == (0, len(content), 32_000)
    assert len(link.serials) == 1
    assert not link.open_serials
    assert link.declared is None


def test_joined_recordings_may_have_equal_serial_numbers(tmp_path, content):
    first, second = links(tmp_path / "a", content + b"junk" * 99 + content)
    assert first.serials == second.serials
    assert (first.start, first.end) == (0, len(content))
    assert (second.start, second.end) == (len(content) + 396, 2 * len(content) + 396)


@pytest.mark.parametrize("fraction", [0.5, 0.8, 0.99])
def test_a_last_page_that_is_missing_or_cut_leaves_a_stream_open(tmp_path, content, fraction):
    (link,) = links(tmp_path / "a", content[: int(fraction * len(content))])
    assert link.open_serials == link.serials
    assert link.num_samples < 32_000


def test_streams_beside_one_another_are_one_recording(tmp_path, content):
    other = bytearray(content)
    position = 0
    while position >= 0:
        other[position + 14] ^= 1
        position = other.find(b"OggS", position + 1)
    first = content.find(b"OggS", 1)
    (link,) = links(tmp_path / "a", content[:first] + other[:first] + content[first:])
    assert len(link.serials) == 2
    assert len(link.open_serials) == 1


def test_flac_in_ogg_declares_its_length(tmp_path, encode):
    path = encode(tmp_path / "a.oga", np.zeros((32_000, 1)), 16_000, "flac", format="ogg")
    (link,) = links(tmp_path / "b", path.read_bytes())
    assert link.declared is None or link.declared == (32_000, 16_000)
    assert link.num_samples == 32_000
