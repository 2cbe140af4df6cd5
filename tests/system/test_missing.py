"""A file that is not there is named with the cause, where its name or its neighbours tell it."""

import os
from pathlib import Path

import pytest

from earmark.errors import AudioError
from earmark.system.missing import stat_file


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("data/dog.wav", "data/Cat.FLAC", "data/deep/x.wav"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"RIFF")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refuse(path):
    with pytest.raises(AudioError) as caught:
        stat_file(Path(path))
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_file_that_is_there_is_described(folder):
    assert stat_file(folder / "data" / "dog.wav").st_size == 4


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("https://host/a.wav", "download"),
        ("file:///data/a.wav", "without file://"),
        ("~/a.wav", "~"),
        ("C:\\Users\\me\\a.wav", "Windows"),
        ("D:/sounds/a.wav", "Windows"),
        ("sub\\a.wav", "backslash"),
        ("data/dog", "dog.wav"),
        ("data/DOG.WAV", "dog.wav"),
        ("data/cat.wav", "Cat.FLAC"),
        ("data/bird.wav", "No such file"),
        ("gone/bird.wav", "No such file"),
    ],
)
@pytest.mark.skipif(os.sep != "/", reason="names of another system")
def test_the_cause_is_named(folder, name, key):
    error = refuse(folder / name)
    assert error.fault == "missing"
    assert key in str(error)


def test_a_path_from_the_working_folder_is_recognized(folder):
    error = refuse(folder / "tables" / "data" / "deep" / "x.wav")
    assert f"{Path('data/deep/x.wav')} is in the working folder" in str(error)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices")
def test_a_device_is_refused_before_it_is_read():
    assert "regular" in str(refuse("/dev/zero"))


def test_a_folder_is_refused(folder):
    assert refuse(folder).fault == "missing"


def test_a_null_byte_is_refused():
    assert refuse("a\0.wav").fault == "missing"
