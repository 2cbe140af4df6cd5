"""Manifests of the data sets that the accuracy benchmarks share, one word of the command line each.

``python benchmarks/datasets.py esc10 path/to/esc10 esc10.csv``
"""

import argparse
import csv
import io
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from earmark.audio.reading import is_audio
from earmark.data.manifest import read_manifest
from earmark.errors import DataError, EarmarkError
from earmark.system.files import atomic_write
from mixtures import find_music, find_speech, share_out, write_mixtures

Row = Mapping[str, object]


def main() -> None:
    """Writes a manifest and prints how much is in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = parser.add_subparsers(dest="name", required=True)
    for name, make in {**DATASETS, "mixtures": mixtures}.items():
        one = names.add_parser(name, description=make.__doc__)
        one.add_argument("source", type=Path, help="folder of the recordings")
        one.add_argument("out", type=Path, help="manifest to write, .csv")
        if name == "mixtures":
            one.add_argument("--music", type=Path, required=True, help="from debian_audio.py")
            one.add_argument("--clips", type=int, default=1200)
            one.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    source, out = arguments.source, arguments.out
    try:
        if arguments.name == "mixtures":
            rows = mixtures(source, arguments.music, out.parent, arguments.clips, arguments.seed)
        else:
            rows = DATASETS[arguments.name](source)
        write_manifest(out, rows)
        manifest = read_manifest(out)
    except EarmarkError as error:
        sys.exit(f"{parser.prog}: {error}")
    groups = len({one.group for one in manifest.recordings})
    folds = len({one.fold for one in manifest.recordings if one.fold})
    print(f"{len(manifest)} recordings, {groups} groups, {folds} folds: {manifest.summary()}")


def music_speech(source: Path) -> list[Row]:
    """Music/Speech in folders SPLIT/LABEL, whose splits are put aside; the group is the source.

    Several tracks of one source have its name and a number, or a letter after the number, so the
    group is the file name without them: ``classical``, ``classical1`` and ``classical2`` are one,
    ``nj105`` and ``nj105a`` another. The subset of 80 tracks has 66 groups.
    """
    return [
        {"path": path, "label": path.parent.name, "group": source_of_track(path.stem)}
        for path in _sounds(source)
    ]


def source_of_track(stem: str) -> str:
    """A track's name without the number at its end and the letter after that.

    Example:
        >>> [source_of_track(stem) for stem in ("glass1", "nj105a", "kedar")]
        ['glass', 'nj', 'kedar']
    """
    return re.sub(r"(?<=.)\d+[a-z]?$", "", stem)


def esc10(source: Path) -> list[Row]:
    """ESC-10 with its five folds: folders ``NUMBER - LABEL``, files ``FOLD-SOURCE-TAKE``.

    Raises:
        DataError: Takes of one source are in two folds.
    """
    rows: list[Row] = []
    for path in _sounds(source):
        fold, group, _ = _parts(path, "-")
        label = path.parent.name.split(" - ", 1)[-1]
        rows.append({"path": path, "label": label, "fold": fold, "group": group})
    refuse_straddling(rows)
    return rows


def free_spoken_digits(source: Path) -> list[Row]:
    """Digits in files ``DIGIT_SPEAKER_INDEX``; each speaker is a group and a fold."""
    rows: list[Row] = []
    for path in _sounds(source):
        digit, speaker, _ = _parts(path, "_")
        rows.append({"path": path, "label": digit, "fold": speaker, "group": speaker})
    return rows


def mixtures(source: Path, music: Path, out: Path, num_clips: int, seed: int) -> list[Row]:
    """Clips of readers, of pieces of music and of both, written beside their manifest.

    Args:
        source: Utterances in files ``READER-CHAPTER-NUMBER``, as LibriSpeech names them.
        music: Where `debian_audio.py` put packages.
        out: Folder for the clips.
        num_clips: How many.
        seed: For all that is drawn.
    """
    pieces = share_out(find_speech(source), find_music(music), seed)
    return write_mixtures(pieces, out, num_clips, seed)


DATASETS: dict[str, Callable[[Path], list[Row]]] = {
    "music_speech": music_speech,
    "esc10": esc10,
    "free_spoken_digits": free_spoken_digits,
}


def refuse_straddling(rows: Iterable[Row]) -> None:
    """Checks that no group is in two folds.

    Raises:
        DataError: With the first group that is.
    """
    folds = defaultdict(set)
    for row in rows:
        folds[row["group"]].add(row["fold"])
    for group, names in folds.items():
        if len(names) > 1:
            listed = " and ".join(sorted(map(str, names)))
            raise DataError(f"group {group} is in folds {listed}; a fold must keep it whole")


def write_manifest(out: Path, rows: Sequence[Row]) -> None:
    """Writes rows as CSV, paths relative to its folder where they lie below it, else absolute."""
    folder = out.parent.resolve()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        path = Path(str(row["path"])).resolve()
        shown = path.relative_to(folder) if path.is_relative_to(folder) else path
        writer.writerow({**row, "path": shown.as_posix()})
    atomic_write(out, text.getvalue())


def _sounds(source: Path) -> list[Path]:
    paths = sorted(path for path in source.rglob("*") if is_audio(path))
    if not paths:
        raise DataError(f"{source}: no sound files found; give the folder of the recordings")
    return paths


def _parts(path: Path, separator: str) -> list[str]:
    parts = path.stem.split(separator)
    if len(parts) != 3:
        raise DataError(f"{path}: the name has not three parts between {separator!r}; rename it")
    return parts


if __name__ == "__main__":
    main()
