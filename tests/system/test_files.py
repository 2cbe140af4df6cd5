"""Files are written whole or not at all, whatever fails on the way; rows stay rows."""

import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from earmark.system.files import (
    atomic_open,
    atomic_write,
    csv_lines,
    fit_name,
    path_from,
    place_below,
    plain_path,
    read_text,
    remove_parts,
)
from earmark.system.remote.path import to_path


def test_missing_folders_are_made(tmp_path):
    path = tmp_path / "new" / "deeper" / "file.txt"
    atomic_write(path, "text")
    assert path.read_text() == "text"


def test_text_is_utf_8_with_unix_line_ends(tmp_path):
    atomic_write(tmp_path / "file.txt", "één\ntwee\n")
    assert (tmp_path / "file.txt").read_bytes() == "één\ntwee\n".encode()


def test_names_that_are_not_utf_8_keep_their_bytes(tmp_path):
    atomic_write(tmp_path / "file.txt", os.fsdecode(b"caf\xe9.wav\n"))
    assert (tmp_path / "file.txt").read_bytes() == b"caf\xe9.wav\n"


def test_a_text_is_read_as_it_was_written(tmp_path):
    text = os.fsdecode(b"caf\xe9.wav\r\n") + "a\r.wav\n"
    atomic_write(tmp_path / "file.txt", text)
    assert read_text(tmp_path / "file.txt") == text


def test_a_failure_names_the_file_and_not_its_temporary_name(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        atomic_write(tmp_path / "file.txt", "text")
    assert caught.value.filename == str(tmp_path / "file.txt")


def test_bytes_are_written_as_they_are(tmp_path):
    content = bytes(range(256))
    atomic_write(tmp_path / "file.bin", content)
    assert (tmp_path / "file.bin").read_bytes() == content


def test_an_old_file_is_replaced_and_nothing_else_stays(tmp_path):
    path = tmp_path / "file.txt"
    atomic_write(path, "a longer text than the next")
    atomic_write(path, "short")
    assert path.read_text() == "short"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_disk_before_the_name_changes(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda number: (steps.append("fsync"), fsync(number)))
    monkeypatch.setattr(
        Path, "replace", lambda path, target: (steps.append("replace"), replace(path, target))
    )
    atomic_write(tmp_path / "file.txt", "text")
    assert steps == ["fsync", "replace"]


@pytest.mark.parametrize(("owner", "name"), [(os, "fsync"), (Path, "replace")])
@pytest.mark.parametrize("failure", [OSError("no space left"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file_whole(
    tmp_path, monkeypatch, owner, name, failure
):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail(*_):
        raise failure

    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(type(failure)):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_file_is_made_of_may_fail_and_leaves_the_old_one(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def copy():
        with atomic_open(path) as file:
            file.write(b"new")
            (tmp_path / "source").open()

    with pytest.raises(FileNotFoundError) as caught:
        copy()
    assert caught.value.filename == str(tmp_path / "source")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_of_one_name_have_places_of_their_own(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    out = Path("out")
    assert place_below(out, Path("a/b.wav")) == place_below(out, tmp_path / "here/a/b.wav")
    assert place_below(out, Path("a/../b.wav")) == out / "b.wav"
    paths = [Path("b.wav"), Path("../b.wav"), Path("a/b.wav"), Path("a/b.mp3")]
    places = [place_below(out, one) for one in paths]
    assert len(set(places)) == len(paths)
    assert all(one.is_relative_to(out) and ".." not in one.parts for one in places)


def test_outputs_of_remote_files_have_places_of_their_own():
    out = Path("out")
    urls = (
        *("s3://b/x/a.wav", "gs://b/x/a.wav", "s3://c/x/a.wav", "https://h:80/get/a.wav?id=1"),
        *("https://h:80/get/a.wav?id=2", "https://h:80/get/a.wav", "s3://b/../../x.wav"),
    )
    places = [place_below(out, to_path(one)) for one in urls]
    assert len(set(places)) == len(urls)
    assert all(one.is_relative_to(out) and ".." not in one.parts for one in places)
    assert places[0] == out / "s3" / "b" / "x" / "a.wav"


@given(st.lists(st.lists(st.text('a,"\r\n; '), min_size=1, max_size=3), max_size=5))
@example([["a\r.wav", "x"], ["\r", "\n"], ["", "\r\n"]])
@example([[""]])
def test_a_row_reads_back_as_one_row_whatever_marks_of_lines_it_holds(rows):
    text = "".join(csv_lines(rows))
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == rows


def test_plain_rows_end_with_a_line_feed_and_have_no_quotes():
    assert list(csv_lines([("a b.wav", 1, None), ("é", 0.5, "")])) == ["a b.wav,1,\n", "é,0.5,\n"]


def test_a_path_is_plain_however_it_is_written_down(tmp_path, monkeypatch):
    (tmp_path / "real" / "in").mkdir(parents=True)
    (tmp_path / "x").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "in")
    monkeypatch.chdir(tmp_path)
    for spelt in ("link/a.wav", "./link/a.wav", "x/../link/a.wav", "link/../../link/a.wav"):
        assert plain_path(Path(spelt)) == tmp_path / "link" / "a.wav"
    assert plain_path(Path("link/../a.wav")) == tmp_path / "real" / "a.wav"
    assert plain_path(Path("x/..")) == tmp_path
    assert plain_path(Path("gone/../a.wav")) == tmp_path / "a.wav"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert plain_path(Path("loop/../a.wav")) == tmp_path / "a.wav"


@pytest.mark.parametrize("name", ["a" * 250 + ".wav", "é" * 120 + ".wav", "歌" * 80 + ".csv"])
def test_a_name_as_long_as_file_systems_allow_is_written(tmp_path, name):
    atomic_write(tmp_path / name, "text")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(20, 255))
def test_a_name_is_made_to_fit(name, max_bytes):
    fitted = fit_name(name, max_bytes)
    assert len(os.fsencode(fitted)) <= max_bytes
    assert fitted == name or len(os.fsencode(name)) > max_bytes


def test_names_that_are_shortened_stay_different():
    assert fit_name("a" * 300) != fit_name("a" * 301)
    assert fit_name("a" * 300 + ".wav").endswith("aaa.wav")


def test_a_path_is_written_from_the_real_folder_of_its_table(tmp_path, monkeypatch):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    monkeypatch.chdir(tmp_path)
    for file in ("a.wav", "b.wav"):
        assert path_from(Path("link"), Path(file)) == f"../../{file}"
        assert path_from(Path(), Path(file)) == file
        assert (tmp_path / "link" / path_from(tmp_path / "link", Path(file))).samefile("a.wav")


def test_parts_that_a_killed_process_left_are_removed(tmp_path):
    kept = tmp_path / "last.part"
    for path in (kept, tmp_path / ".config.toml", tmp_path / ".last.safetensors.0a1b.part"):
        path.touch()
    remove_parts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"last.part", ".config.toml"}
