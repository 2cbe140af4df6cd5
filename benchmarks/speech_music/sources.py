"""The recordings that the model is trained on, as `sources.toml` lists them.

``PYTHONPATH=benchmarks python -m speech_music.sources`` prints the names of the packages.
"""

import re
import tomllib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.audio.reading import is_audio
from earmark.errors import DataError

SOURCES = Path(__file__).with_name("sources.toml")
READERS = "librispeech/"
"""How the groups of LibriSpeech's readers begin."""
VALIDATION_READERS = 5
"""One LibriSpeech reader of so many is kept for validation."""


@dataclass(frozen=True)
class Voice:
    """Recordings of one voice, one piece of music or one collection of noises.

    Args:
        group: Its name; all of it stays in one split.
        labels: What is heard.
        split: ``train`` or ``validation``.
        files: The recordings, in order.
    """

    group: str
    labels: tuple[str, ...]
    split: str
    files: tuple[Path, ...]


def read_sources() -> list[dict[str, Any]]:
    """The rows of `sources.toml`."""
    return tomllib.loads(SOURCES.read_text())["source"]


def find_voices(packages: Path, librispeech: Path) -> list[Voice]:
    """All that is to be trained and validated on.

    Args:
        packages: Where `debian_audio.py` put the packages.
        librispeech: A folder of utterances ``READER-CHAPTER-NUMBER``, in whatever folders.

    Raises:
        DataError: A package is missing or has none of the files that it should.
    """
    voices = [voice for source in read_sources() for voice in _of_package(packages, source)]
    return [*voices, *find_readers(librispeech)]


def _of_package(packages: Path, source: Mapping[str, Any]) -> Iterator[Voice]:
    folder = packages / source["package"]
    groups: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        inside = f"/{path.relative_to(folder).as_posix()}"
        if (found := re.search(source["files"], inside)) and is_audio(path):
            groups.setdefault(_group(source, path, found), []).append(path)
    if not groups:
        raise DataError(f"{folder}: no sounds like {source['files']}; fetch the package")
    split = "validation" if source.get("validation") else "train"
    for group, files in groups.items():
        yield Voice(group, tuple(source["labels"]), split, tuple(files))


def _group(source: Mapping[str, Any], path: Path, found: re.Match[str]) -> str:
    names = {
        "package": "sounds",
        "folder": "/".join(path.parent.parts[-2:]),
        "file": path.stem,
        "part": found[1] if found.re.groups else "",
    }
    kind = "+".join(source["labels"]) or "noise"
    return f"{source['package']}/{kind}/{names[source['group']]}"


def find_readers(folder: Path) -> Iterator[Voice]:
    """The readers of LibriSpeech, each in its split.

    Args:
        folder: As for `find_voices`.

    Raises:
        DataError: There is none.
    """
    readers: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.flac")):
        readers.setdefault(path.stem.split("-", 1)[0], []).append(path)
    if not readers:
        raise DataError(f"{folder}: no utterances READER-CHAPTER-NUMBER.flac; give LibriSpeech")
    for reader, files in readers.items():
        # A digest, so that a reader keeps the split however many others there are.
        is_kept = zlib.crc32(reader.encode()) % VALIDATION_READERS == 0
        split = "validation" if is_kept else "train"
        yield Voice(f"{READERS}{reader}", ("speech",), split, tuple(files))


if __name__ == "__main__":
    print(" ".join(dict.fromkeys(source["package"] for source in read_sources())))
