import io
import itertools
import os
from pathlib import Path

import pytest

from earmark.errors import DataError
from earmark.sources import find_sounds, read_list


def found(*paths):
    return list(find_sounds(paths))


def test_hidden_files_and_folders_are_left_out_below_a_folder(write_clip, tmp_path):
    folder = tmp_path / ".home"
    shown = write_clip(folder / "a.wav")
    write_clip(folder / ".trash" / "b.wav")
    write_clip(folder / "deep" / ".c.wav")
    assert found(folder) == [shown]
    named = folder / ".trash" / "b.wav"
    assert found(named) == [named]


def test_a_file_that_is_named_twice_is_judged_once(write_clip, tmp_path, monkeypatch):
    first, second = write_clip(tmp_path / "x" / "a.wav"), write_clip(tmp_path / "x" / "b.wav")
    monkeypatch.chdir(tmp_path)
    again = Path("x/../x/a.wav")
    assert found(second, tmp_path / "x", again, second) == [second, first]


def test_folders_are_searched_and_files_are_taken_as_they_are(write_clip, tmp_path):
    inner = write_clip(tmp_path / "x" / "deep" / "b.WAV")
    (tmp_path / "x" / "notes.txt").write_text("no sound")
    loose = tmp_path / "loose.bin"
    assert found(loose, tmp_path / "x") == [loose, inner]


def test_folders_are_searched_in_the_order_of_paths_through_links(write_clip, tmp_path):
    files = [write_clip(tmp_path / "x" / name) for name in ("b/2.wav", "a.wav", "b/1.wav", "c.wav")]
    (tmp_path / "x" / "loop").symlink_to(tmp_path / "x")
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "link").symlink_to(tmp_path / "x")
    assert found(tmp_path / "x") == sorted(files)
    assert [one.relative_to(tmp_path / "y" / "link") for one in found(tmp_path / "y")] == [
        one.relative_to(tmp_path / "x") for one in sorted(files)
    ]


def test_patterns_are_expanded_in_any_depth(write_clip, tmp_path, monkeypatch):
    write_clip(tmp_path / "x" / "deep" / "b.wav")
    write_clip(tmp_path / "a.wav")
    monkeypatch.chdir(tmp_path)
    assert found(Path("*.wav")) == [Path("a.wav")]
    assert found(Path("**/*.wav")) == [Path("a.wav"), Path("x/deep/b.wav")]
    assert found(Path("x*")) == [Path("x/deep/b.wav")]
    assert found(Path("*.mp3")) == [Path("*.mp3")]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(write_clip, tmp_path):
    odd = write_clip(tmp_path / "a[1].wav")
    write_clip(tmp_path / "a1.wav")
    assert found(odd) == [odd]


def test_files_are_found_as_they_are_asked_for():
    endless = (f"{number}.wav\n".encode() for number in itertools.count())
    assert list(itertools.islice(read_list(endless), 2)) == [Path("0.wav"), Path("1.wav")]


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    def closed(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        found(tmp_path)


def test_a_list_names_a_file_in_each_line():
    content = b"a.wav\r\n\n  \nb c.wav\ncaf\xe9.wav"
    names = [Path("a.wav"), Path("b c.wav"), Path(os.fsdecode(b"caf\xe9.wav"))]
    assert list(read_list(io.BytesIO(content))) == names
