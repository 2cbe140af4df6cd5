import hashlib
import io
import tarfile

import platformdirs
import pytest

from earmark.errors import ExportError
from earmark.exporters.web import runtime
from earmark.exporters.web.runtime import find_runtime

FILES = {name: f"// {name}".encode() for name in runtime.DIGESTS}


@pytest.fixture(autouse=True)
def known_files(monkeypatch):
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(runtime, "DIGESTS", digests)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "onnxruntime-web.tgz"
    with tarfile.open(path, "w:gz") as package:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("below", [".", "dist", "onnxruntime-web/dist"])
def test_a_folder_may_be_the_package_or_hold_it(tmp_path, below):
    folder = tmp_path / below
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    assert find_runtime(tmp_path) == FILES


def test_a_package_of_npm_is_read(archive):
    assert find_runtime(archive) == FILES


def test_other_files_are_refused(tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes(b"another version")
    with pytest.raises(ExportError):
        find_runtime(tmp_path)
    with pytest.raises(ExportError):
        find_runtime(tmp_path / "missing.tgz")


def test_a_package_that_was_not_copied_whole_is_refused(archive):
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(ExportError):
        find_runtime(archive)


def test_what_npm_fetches_is_kept(archive, monkeypatch):
    calls = []

    def run(command, cwd, **_):
        calls.append(command)
        (cwd_file := archive).replace(f"{cwd}/{cwd_file.name}")

    monkeypatch.setattr(runtime.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(runtime.subprocess, "run", run)
    assert find_runtime() == FILES
    assert find_runtime() == FILES
    assert len(calls) == 1
    assert calls[0][-1] == f"{runtime.PACKAGE}@{runtime.VERSION}"


def test_a_damaged_cache_is_refused(monkeypatch):
    folder = platformdirs.user_cache_path("earmark") / f"{runtime.PACKAGE}-{runtime.VERSION}"
    folder.mkdir(parents=True)
    (folder / next(iter(FILES))).write_bytes(b"cut off")
    with pytest.raises(ExportError):
        find_runtime()


def test_without_npm_the_error_names_a_way(monkeypatch):
    monkeypatch.setattr(runtime.shutil, "which", lambda name: None)
    with pytest.raises(ExportError, match="--runtime"):
        find_runtime()
