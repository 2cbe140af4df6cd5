import pickle
import uuid
from pathlib import Path

import fsspec
import pytest

from earmark.errors import ConfigError
from earmark.system.file_state import FileState
from earmark.system.remote.path import RemotePath, to_path
from earmark.system.remote.settings import SIZE_VARIABLE, RemoteSettings


@pytest.fixture
def bucket():
    """A folder in memory, and a function that writes files there."""
    name = uuid.uuid4().hex
    files = fsspec.filesystem("memory")

    def write(place, content):
        files.pipe(f"/{name}/{place}", content)
        return to_path(f"memory://{name}/{place}")

    write("music/a.wav", b"aaaa")
    write("music/b.wav", b"bb")
    write("notes.txt", b"n")
    yield to_path(f"memory://{name}"), write
    files.rm(f"/{name}", recursive=True)


def test_a_folder_is_listed(bucket):
    folder, _ = bucket
    assert folder.is_dir()
    assert not folder.is_file()
    found = {one.name: one.is_dir() for one in folder.iterdir()}
    assert found == {"music": True, "notes.txt": False}
    [music] = (one for one in folder.iterdir() if one.is_dir())
    assert [one.relative_to(folder).as_posix() for one in music.iterdir()] == [
        "music/a.wav",
        "music/b.wav",
    ]
    assert sorted(to_path(f"{folder}/*/*.wav").matches()) == list(music.iterdir())


def test_a_file_is_read_as_a_local_one(bucket):
    folder, _ = bucket
    path = folder / "music" / "a.wav"
    assert path.read_bytes() == b"aaaa"
    assert path.stat().st_size == 4
    with path.open("rb") as file:
        assert file.seek(3) == 3
        assert file.read() == b"a"


def test_what_is_not_there(bucket):
    folder, _ = bucket
    missing = folder / "no.wav"
    assert not missing.exists()
    assert not missing.is_file()
    assert not missing.is_dir()
    for look in (missing.stat, lambda: missing.open("rb")):
        with pytest.raises(FileNotFoundError):
            look()


def test_a_changed_file_has_another_state_and_is_not_read_stale(bucket):
    folder, write = bucket
    path = folder / "music" / "a.wav"
    before = FileState.of(path)
    assert path.read_bytes() == b"aaaa"
    write("music/a.wav", b"cccc")
    assert FileState.of(path)[:-1] != before[:-1]
    assert path.read_bytes() == b"cccc"


def test_remote_files_are_not_written(bucket):
    folder, _ = bucket
    with pytest.raises(OSError, match="Read-only"):
        (folder / "new.csv").open("wb")
    with pytest.raises(OSError, match="Read-only"):
        (folder / "new").mkdir()


def test_paths_are_joined_as_text():
    folder = to_path("s3://me:secret@bucket/a/b")
    assert folder / "c/../d.wav" == to_path("s3://bucket/a/b/d.wav")
    assert folder / "../../../x" == to_path("s3://bucket/x")
    assert folder / "s3://other/x.wav" == to_path("s3://other/x.wav")
    assert folder / "/local/x.wav" == Path("/local/x.wav")
    assert (folder / "d.wav").address.user == "me:secret"
    assert folder.with_name("x.wav") == to_path("s3://bucket/a/x.wav")
    assert (folder / "x.wav").with_suffix(".flac").name == "x.flac"
    assert folder.is_relative_to(to_path("s3://bucket/a"))
    assert not folder.is_relative_to(to_path("s3://bucket/a/b2"))


def test_the_query_names_a_file_and_is_no_part_of_its_extension():
    path = to_path("https://host/a.wav?id=3&X-Amz-Signature=1")
    assert (path.name, path.suffix, path.stem) == ("a.wav", ".wav", "a")
    assert path.parent == to_path("https://host")


def test_a_path_reaches_other_processes_with_its_secrets_and_settings(tmp_path):
    path = RemotePath("https://me:pw@host/a.wav?sig=1", RemoteSettings(tmp_path, 7))
    copy = pickle.loads(pickle.dumps(path))
    assert copy == path
    assert copy.address == path.address
    assert copy.settings == path.settings
    for text in (str(copy), repr(copy), f"{copy}", copy.as_posix(), bytes(copy).decode()):
        assert "pw" not in text
        assert "sig" not in text


def test_a_wrong_setting_is_named(monkeypatch):
    monkeypatch.setenv(SIZE_VARIABLE, "much")
    with pytest.raises(ConfigError, match=SIZE_VARIABLE):
        _ = to_path("s3://b/a.wav").settings
