"""The runtime of the page: two files of the npm package ``onnxruntime-web``, found or fetched."""

import hashlib
import logging
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from earmark.errors import ExportError
from earmark.system.files import atomic_write

logger = logging.getLogger(__name__)

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
DIGESTS = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}
"""SHA-256 of the files that the page needs, in this version, with which it is tested."""
_FETCH_SECONDS = 300

Files = Mapping[str, bytes]


def find_runtime(given: Path | str | None = None) -> Files:
    """The files of the runtime by name.

    They are read from what is given; else from the cache of this user; else from what ``npm``
    fetches, which then stays in the cache, so that later exports need no network.

    Args:
        given: A folder that holds the files or the package, such as ``node_modules``; or the
            package as ``npm pack`` fetches it, a ``.tgz`` file.

    Raises:
        ExportError: The files are not there, or are not those of `VERSION`; or there is no npm or
            no network to fetch them.
    """
    if given is not None:
        return _checked(_read(Path(given)), str(given))
    cache = platformdirs.user_cache_path("earmark") / f"{PACKAGE}-{VERSION}"
    if cache.is_dir():
        return _checked(_read(cache), f"{cache}: remove it, or")
    files = _fetch()
    for name, content in files.items():
        atomic_write(cache / name, content)
    return files


def _read(path: Path) -> Files:
    if path.is_dir():
        places = (path, path / "dist", path / PACKAGE / "dist", path / "node_modules" / PACKAGE)
        for folder in (*places, places[-1] / "dist"):
            found = {name: folder / name for name in DIGESTS}
            if all(one.is_file() for one in found.values()):
                return {name: one.read_bytes() for name, one in found.items()}
        return {}
    try:
        with tarfile.open(path) as package:
            members = ((name, package.extractfile(f"package/dist/{name}")) for name in DIGESTS)
            return {name: file.read() for name, file in members if file is not None}
    except (OSError, EOFError, zlib.error, KeyError, tarfile.TarError):
        return {}


def _checked(files: Files, source: str) -> Files:
    wrong = [
        name
        for name, digest in DIGESTS.items()
        if hashlib.sha256(files.get(name, b"")).hexdigest() != digest
    ]
    if wrong:
        state = "differs from" if wrong[0] in files else "is not in it, or not that of"
        raise ExportError(
            f"{source}: {wrong[0]} {state} {PACKAGE} {VERSION}; give the file that "
            f"`npm pack {PACKAGE}@{VERSION}` writes as --runtime"
        )
    return files


def _fetch() -> Files:
    npm = shutil.which("npm")
    if npm is None:
        raise ExportError(
            f"the page needs {PACKAGE}, and npm is not installed to fetch it; run "
            f"`npm pack {PACKAGE}@{VERSION}` on any machine and give its file as --runtime"
        )
    logger.info(f"fetching {PACKAGE} {VERSION} with npm, once")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", "--ignore-scripts", f"{PACKAGE}@{VERSION}"]
        try:
            subprocess.run(
                command, cwd=folder, check=True, capture_output=True, timeout=_FETCH_SECONDS
            )
        except (OSError, subprocess.SubprocessError):
            raise ExportError(
                f"npm cannot fetch {PACKAGE}; run `npm pack {PACKAGE}@{VERSION}` where there is a "
                "network and give its file as --runtime"
            ) from None
        package = next(Path(folder).glob("*.tgz"), Path(folder))
        return _checked(_read(package), f"npm pack {PACKAGE}@{VERSION}")
