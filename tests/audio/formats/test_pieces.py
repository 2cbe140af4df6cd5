"""Pieces of a file read as one file."""

import io

import pytest
import soundfile

from earmark.audio.formats.pieces import PiecedFile, open_bytes
from earmark.audio.libsndfile import SequentialFile
from earmark.errors import AudioError

CONTENT = bytes(range(100))


@pytest.fixture
def stream(tmp_path):
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    with path.open("rb") as opened:
        yield opened


@pytest.fixture
def file(stream):
    return PiecedFile(stream, [b"abc", range(10, 20), b"", range(50, 60)])


def test_pieces_are_read_in_order(file):
    assert file.read() == b"abc" + CONTENT[10:20] + CONTENT[50:60]


@pytest.mark.parametrize("position", range(24))
def test_any_range_is_that_of_the_whole(file, position):
    whole = file.read()
    for length in (1, 3, 9, 30):
        assert file.seek(position) == position
        assert file.read(length) == whole[position : position + length]


def test_positions_count_from_the_start_here_or_the_end(file):
    assert file.seek(5) == file.seek(0, io.SEEK_CUR) == file.tell() == 5
    assert file.seek(0, io.SEEK_END) == 23
    assert file.read(5) == b""


def test_a_file_can_pretend_to_be_longer(stream):
    file = PiecedFile(stream, [range(5)], beyond=1000)
    assert file.seek(0, io.SEEK_END) == 1005
    file.seek(3)
    assert file.read(50) == CONTENT[3:5]
    file.seek(-128, io.SEEK_END)
    assert file.read(500) == bytes(128)


def test_an_error_ends_the_file_and_is_kept(tmp_path):
    with (tmp_path / "a").open("wb") as unreadable:
        file = PiecedFile(unreadable, [range(5)])
        assert file.readinto(bytearray(5)) == 0
    assert isinstance(file.error, OSError)


def test_libsndfile_reads_a_pieced_file(tmp_path, rng):
    sound = rng.integers(-9999, 9999, 5000, "int16")
    soundfile.write(tmp_path / "a.wav", sound, 16_000)
    content = b"junk" + (tmp_path / "a.wav").read_bytes()
    (tmp_path / "b").write_bytes(content)
    with (tmp_path / "b").open("rb") as stream:
        pieced = PiecedFile(stream, [range(4, 1000), range(1000, len(content))])
        file = SequentialFile(pieced)
        assert (file.read(9000, dtype="int16") == sound).all()


@pytest.mark.parametrize("name", ["none.wav", "a\0.wav"])
def test_a_file_that_cannot_be_opened_is_named(tmp_path, name):
    with pytest.raises(AudioError, match=r"\.wav") as caught:
        open_bytes(tmp_path / name)
    assert caught.value.fault == "missing"
