import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import ConfigError, DataError
from earmark.system.shards import Shard, ShardFiles, read_positions, write_positions

names = st.lists(
    st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1), max_size=5
)


@settings(max_examples=30)
@given(names, st.integers(1, 9))
def test_every_file_is_in_one_shard_whatever_other_files_there_are(found, count):
    shards = [Shard(number, count) for number in range(1, count + 1)]
    for name in found:
        assert sum(shard.holds(Path("in", name)) for shard in shards) == 1


def test_shards_are_about_equal():
    shard = Shard(3, 8)
    held = sum(shard.holds(f"recordings/{number:05d}.wav") for number in range(8000))
    assert held == pytest.approx(1000, abs=100)


def test_the_division_is_the_same_in_every_version():
    # Other values would make machines with two versions skip files in silence.
    held = [n for n in range(12) if Shard(1, 3).holds(Path("in", f"{n}.wav"))]
    assert held == HELD


HELD = [2, 3, 8, 11]


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1.0/2"])
def test_other_words_are_no_shard(text):
    with pytest.raises(ConfigError):
        Shard.parse(text)


def test_names_that_are_not_unicode_have_a_shard():
    path = Path(os.fsdecode(b"\xff.wav"))
    assert sum(Shard(number, 2).holds(path) for number in (1, 2)) == 1


def test_the_digest_is_of_the_whole_list_in_its_order():
    def digest(number, *listed):
        files = ShardFiles(Shard(number, 2))
        for name in listed:
            files.take(Path(name))
        return files.digest

    assert digest(1, "a.wav", "b.wav") == digest(2, "a.wav", "b.wav")
    others = [("b.wav", "a.wav"), ("a.wav",), ("a.wav", "b.wav", "b.wav"), ("a.wavb.wav",)]
    assert digest(1, "a.wav", "b.wav") not in [digest(1, *one) for one in others]


def test_a_file_that_is_listed_twice_has_its_last_place():
    files = ShardFiles(Shard(1, 1))
    for name in ("a.wav", "b.wav", "a.wav"):
        assert files.take(Path(name))
    assert sorted(files.positions()) == [(1, "b.wav"), (2, "a.wav")]


def test_positions_are_read_as_they_were_written(tmp_path):
    positions = [(0, "a.wav"), (2, os.fsdecode(b"\xff.wav"))]
    write_positions(tmp_path / "files", positions)
    assert list(read_positions(tmp_path / "files")) == positions
    (tmp_path / "files").write_text("[1]\n")
    with pytest.raises(DataError, match="files"):
        list(read_positions(tmp_path / "files"))
