"""Sound out of Debian packages, with the copyright file of each, for `datasets.py` and others.

``python benchmarks/debian_audio.py path/to/music hyperrogue-music singularity-music``

It needs a Debian system, its package lists (``apt-get update``) and nothing of the administrator.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from earmark.audio.decoding import SOUNDFILE_EXTENSIONS
from earmark.audio.reading import is_audio

ARCHIVES = {".pk3", ".zip"}
"""Zip files, by their extension."""


def main() -> None:
    """Prints how many files each package gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("packages", nargs="+")
    arguments = parser.parse_args()
    for package in arguments.packages:
        if (arguments.out / package).exists():
            print(f"{package}: already there")
            continue
        print(f"{package}: {fetch(package, arguments.out / package)} files", flush=True)


def fetch(package: str, folder: Path) -> int:
    """Downloads a package and keeps its sounds and its copyright file.

    Args:
        package: Its name.
        folder: Made last and whole; a sound keeps its path inside the package below it.

    Returns:
        How many sounds.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{package}.") as temporary:
        root = Path(temporary)
        _call(["apt-get", "download", "-q", package], root)
        (archive,) = root.glob("*.deb")
        _call(["dpkg", "-x", archive.name, "all"], root)
        _open_archives(root / "all")
        kept = root / "kept"
        kept.mkdir()
        sounds = sorted(path for path in _own_files(root / "all") if is_audio(path))
        for path in sounds:
            target = kept / path.relative_to(root / "all")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        terms = root / "all/usr/share/doc" / package / "copyright"
        if not terms.is_file():
            sys.exit(f"{package}: has no copyright file of its own; name another package")
        shutil.copyfile(terms, kept / "copyright")
        kept.rename(folder)
    return len(sounds)


def _own_files(folder: Path) -> Iterator[Path]:
    """The files of a package; not what its links mean elsewhere, which has terms of its own."""
    whole = folder.resolve()
    return (one for one in folder.rglob("*") if one.resolve().is_relative_to(whole))


def _open_archives(folder: Path) -> None:
    """Puts the sounds inside zip files, where games like to keep them, into folders beside them."""
    files = [one for one in _own_files(folder) if one.suffix.lower() in ARCHIVES and one.is_file()]
    taken: set[Path] = set()
    for path in sorted(files):
        # Two archives may differ in their extensions alone.
        plain = path.with_suffix("")
        target = path.with_name(f"{plain.name}_{path.suffix[1:]}") if plain in taken else plain
        taken.add(target)
        try:
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if Path(name).suffix.lower() in SOUNDFILE_EXTENSIONS:
                        archive.extract(name, target)
        # A damaged file, a locked one, and one whose folder cannot be made.
        except (zipfile.BadZipFile, RuntimeError, OSError) as error:
            where = path.relative_to(folder)
            sys.exit(f"{where}: its sounds cannot be taken out: {error}; name another package")


def _call(command: Sequence[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        said = (result.stderr.strip() or "it said nothing").splitlines()[-1]
        sys.exit(f"{' '.join(command)}: {said}; is it a name that apt-cache knows?")


if __name__ == "__main__":
    main()
