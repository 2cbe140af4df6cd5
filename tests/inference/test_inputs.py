import io
import itertools
import os
from pathlib import Path

import pytest

from earmark.inference.inputs import find_sounds, read_list


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


def test_a_file_that_is_named_twice_is_predicted_once(write_clip, tmp_path, monkeypatch):
    first, second = write_clip(tmp_path / "x" / "a.wav"), write_clip(tmp_path / "x" / "b.wav")
    monkeypatch.chdir(tmp_path)
    again = Path("x/../x/a.wav")
    assert found(second, tmp_path / "x", again, second) == [second, first]


def test_a_file_behind_a_link_is_not_the_one_that_its_name_looks_like(
    write_clip, tmp_path, monkeypatch
):
    for name in ("x.wav", "other/x.wav", "other/sub/y.wav"):
        write_clip(tmp_path / name)
    (tmp_path / "link").symlink_to(tmp_path / "other" / "sub")
    monkeypatch.chdir(tmp_path)
    named = [Path("link/../x.wav"), Path("x.wav"), Path("other/x.wav"), Path("other/../x.wav")]
    assert found(*named) == named[:2]


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


@pytest.fixture
def close(monkeypatch):
    """Makes a folder one that may not be read."""
    iterdir = Path.iterdir

    def close(folder):
        def refuse(self):
            if self == folder:
                raise PermissionError(13, "Permission denied")
            return iterdir(self)

        monkeypatch.setattr(Path, "iterdir", refuse)
        return folder

    return close


def test_a_folder_that_cannot_be_read_is_given_and_the_others_are_searched(
    write_clip, tmp_path, close
):
    first, last = write_clip(tmp_path / "x" / "a.wav"), write_clip(tmp_path / "x" / "c" / "c.wav")
    write_clip(tmp_path / "x" / "b" / "b.wav")
    closed = close(tmp_path / "x" / "b")
    assert found(tmp_path / "x") == [first, closed, last]
    assert found(first, closed, last) == [first, closed, last]
    assert found(tmp_path / "x" / "**" / "*.wav") == [first, closed, last]


def test_a_path_that_may_not_be_looked_at_is_given(tmp_path):
    long = tmp_path / ("x" * 300)
    assert found(long) == [long]
    assert found(long / "*.wav") == [long / "*.wav"]


def test_a_link_named_as_sound_that_leads_nowhere_is_given(tmp_path):
    for name in ("a.wav", "b.txt"):
        (tmp_path / name).symlink_to(tmp_path / "nothing")
    assert found(tmp_path) == [tmp_path / "a.wav"]


def test_patterns_go_through_links_and_not_round_them(write_clip, tmp_path):
    inner = write_clip(tmp_path / "x" / "deep" / "b.wav")
    for name in ("up", "again", "once_more"):
        (inner.parent / name).symlink_to(tmp_path / "x")
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "link").symlink_to(inner.parent)
    assert found(tmp_path / "x" / "**" / "*.wav") == [inner]
    assert found(tmp_path / "y" / "**" / "*.wav") == [tmp_path / "y" / "link" / "b.wav"]


def test_a_pattern_that_fits_folders_and_files_in_them_gives_each_file_once(write_clip, tmp_path):
    files = [write_clip(tmp_path / name) for name in ("a.wav", "deep/b.wav", "deep/in/c.wav")]
    assert found(tmp_path / "**") == files
    assert found(tmp_path / "**" / "deep") == files[1:]
    assert found(tmp_path / "**" / "in" / "**" / "*.wav") == files[2:]


def test_a_list_names_a_file_in_each_line():
    content = b"\xef\xbb\xbfa.wav\r\n\n  \nb c.wav\ncaf\xe9.wav"
    names = [Path("a.wav"), Path("b c.wav"), Path(os.fsdecode(b"caf\xe9.wav"))]
    assert list(read_list(io.BytesIO(content))) == names
