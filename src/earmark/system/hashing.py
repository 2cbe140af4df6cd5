"""Digests of file contents."""

from pathlib import Path

import xxhash

from earmark.errors import AudioError
from earmark.system.remote.path import RemotePath

HASHED_BYTES = 1 << 18
"""Size of one read."""


def content_hash(path: Path) -> str:
    """The 128-bit XXH3 digest of a file's bytes, in hexadecimal digits.

    It identifies content, but does not resist deliberate collisions. Of a large remote file, only
    the address and the version are digested: reading it for its digest alone would take longer
    than what is done with it.

    Raises:
        AudioError: The file cannot be read.
    """
    digest = xxhash.xxh3_128()
    try:
        if isinstance(path, RemotePath) and (version := path.version_digest()):
            return version
        with path.open("rb", buffering=0) as file:
            while block := file.read(HASHED_BYTES):
                digest.update(block)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror}", "missing") from None
    return digest.hexdigest()
