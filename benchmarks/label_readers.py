"""Whether libraries read label files as earmark does: files by Praat, and files with one fault.

`python benchmarks/label_readers.py` prints the table; the test extra has the libraries.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pympi
from praatio import textgrid

from earmark.errors import DataError
from earmark.labelling.imports.annotations import ReadOptions
from earmark.labelling.imports.label_files import read_label_file
from machine import describe_machine

FIXTURES = Path(__file__).parents[1] / "tests" / "labelling" / "imports" / "fixtures"
GRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n{0}\n10\n<exists>\n1\n'
TIER = '"IntervalTier"\n"a"\n{0}\n10\n2\n'
Rows = list[tuple[float, float | None, str]]

PRAAT: Rows = [
    (0.0, 1e-05, "tiny"),
    (1e-05, 10.0, "été ʃ"),
    (1.25, 2.0000000000000004, 'a "quoted" word'),
    (3.5, 3.5, 'he said "hi"'),
    (7.0, 7.0, "item [2]: ! 5"),
]


def grid(entries: str, start: str = "0") -> str:
    """A short TextGrid with one tier of two intervals."""
    return (GRID + TIER).format(start) + entries


def document(change: Callable[[str], str]) -> str:
    """An ELAN document with one annotation from 1 to 2.5 s."""
    eaf = pympi.Eaf()
    eaf.add_linked_file("a.wav", mimetype="audio/x-wav")
    eaf.add_tier("birds")
    eaf.add_annotation("birds", 1000, 2500, "wren")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.eaf"
        eaf.to_file(str(path))
        return change(path.read_text(encoding="utf-8"))


SCHEMA = ' xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv2.8.xsd"'
PLAIN = grid('0\n4\n"x"\n4\n10\n"y"\n').encode()
WREN: Rows = [(1.0, 2.5, "wren")]
CASES: list[tuple[str, str, bytes, Rows | None]] = [
    *(
        (f"Praat, {form}", ".TextGrid", (FIXTURES / f"praat_{form}.TextGrid").read_bytes(), PRAAT)
        for form in ("long_utf8", "long_utf16", "short_utf8", "short_utf16")
    ),
    ("plain", ".TextGrid", PLAIN, [(0.0, 4.0, "x"), (4.0, 10.0, "y")]),
    ("last text missing", ".TextGrid", grid('0\n4\n"x"\n4\n10\n').encode(), None),
    ("time missing", ".TextGrid", grid('0\n4\n"x"\n4\n"y"\n').encode(), None),
    ("intervals overlap", ".TextGrid", grid('0\n4\n"x"\n3\n10\n"y"\n').encode(), None),
    (
        "negative time, long",
        ".TextGrid",
        (
            b'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = -1 \nxmax = 3 \n'
            b"tiers? <exists> \nsize = 1 \nitem []: \n    item [1]:\n        "
            b'class = "IntervalTier" \n        name = "a" \n        xmin = -1 \n        xmax = 3 \n'
            b"        intervals: size = 1 \n        intervals [1]:\n            xmin = -1 \n"
            b'            xmax = 3 \n            text = "x" \n'
        ),
        None,
    ),
    ("ELAN", ".eaf", document(str).encode(), WREN),
    ("ELAN, no schema", ".eaf", document(lambda text: text.replace(SCHEMA, "")).encode(), WREN),
    (
        "ELAN, no time",
        ".eaf",
        document(lambda text: text.replace(' TIME_VALUE="2500"', "")).encode(),
        None,
    ),
    (
        "ELAN, origin 500 ms",
        ".eaf",
        document(lambda text: text.replace("MEDIA_URL=", 'TIME_ORIGIN="500" MEDIA_URL=')).encode(),
        [(1.5, 3.0, "wren")],
    ),
]
"""Name, suffix, content, and what is right; None if an error is."""


def by_earmark(path: Path) -> Rows | None:
    """What earmark reads; None for an error."""
    try:
        found = read_label_file(path, ReadOptions())
    except DataError:
        return None
    rows = [(one.start, one.end, one.label) for one in found.annotations]
    return None if found.problems else sorted(rows)


def by_library(path: Path) -> Rows | None:
    """What praatio or pympi-ling reads; None for an error."""
    try:
        if path.suffix == ".eaf":
            return sorted(
                (start / 1000, None if end is None else end / 1000, label)
                for start, end, label, *_ in pympi.Eaf(str(path)).get_annotation_data_for_tier(
                    "birds"
                )
            )
        read = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
        # An interval has two times and a text, a point has one.
        return sorted(
            (float(entry[0]), float(entry[-2]), entry[-1])
            for tier in read.tiers
            for entry in tier.entries
        )
    except Exception:  # noqa: BLE001 - whatever the library raises
        return None


def verdict(found: Rows | None, right: Rows | None) -> str:
    """Whether a file was read as it should be."""
    if found == right:
        return "right" if right else "error, right"
    return "error" if found is None else "**wrong**"


def main() -> None:
    """Prints the table."""
    print(describe_machine("praatio", "pympi-ling"))
    print("\n| file | earmark | praatio or pympi-ling |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, suffix, content, right in CASES:
            path = Path(folder) / f"a{suffix}"
            path.write_bytes(content)
            cells = (verdict(read(path), right) for read in (by_earmark, by_library))
            print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
