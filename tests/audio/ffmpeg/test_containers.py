"""What the structure of a container declares."""

import numpy as np
import pytest

from earmark.audio.ffmpeg.containers import Extent, read_extent

CASES = [
    ("a.webm", "matroska,webm", "libopus", {}),
    ("a.m4a", "mov,mp4", "aac", {}),
    ("a.mp4", "mov,mp4", "aac", {"movflags": "empty_moov+frag_keyframe"}),
    ("a.wma", "asf", "wmav2", {}),
]


@pytest.fixture
def write(tmp_path, encode_track):
    def write(name, codec, options):
        return encode_track(tmp_path / name, np.zeros(48_000), codec, options=options)

    return write


@pytest.mark.parametrize(("name", "format_name", "codec", "options"), CASES)
def test_a_closed_file_declares_its_size(write, name, format_name, codec, options):
    path = write(name, codec, options)
    size = path.stat().st_size
    assert read_extent(path, format_name).num_bytes == size
    path.write_bytes(path.read_bytes()[: size // 2])
    declared = read_extent(path, format_name).num_bytes
    assert declared is None or declared > size // 2
    # What others append, such as zeros, is no concern.
    path.write_bytes(write(name, codec, options).read_bytes() + bytes(100))
    assert read_extent(path, format_name).num_bytes == size


@pytest.mark.parametrize(
    ("name", "format_name", "codec", "options"),
    [
        ("a.webm", "matroska,webm", "libopus", {"live": "1"}),
        ("a.mp4", "mov,mp4", "aac", {"movflags": "empty_moov+frag_keyframe+skip_trailer"}),
    ],
)
def test_a_stream_declares_nothing(write, name, format_name, codec, options):
    extent = read_extent(write(name, codec, options), format_name)
    assert extent.num_bytes is None


def test_the_duration_of_asf_is_that_of_its_header(write):
    path = write("a.wma", "wmav2", {})
    path.write_bytes(path.read_bytes()[:3000])
    assert read_extent(path, "asf").seconds == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("format_name", ["matroska,webm", "mov,mp4", "asf", "ogg"])
@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\xff" * 100, bytes(range(256))])
def test_anything_else_is_no_error(tmp_path, format_name, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    assert isinstance(read_extent(path, format_name), Extent)
