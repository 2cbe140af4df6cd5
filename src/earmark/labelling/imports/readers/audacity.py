"""Audacity label tracks.

Source:
    Audacity manual, Importing and Exporting Labels: a line holds start, end and text, separated by
    tabs; a line that starts with a backslash holds the frequency limits of the label before it.
"""

from dataclasses import replace

from earmark.labelling.imports.annotations import Entry, LabelFile
from earmark.system.numbers import parse_number


def read_audacity(text: str, found: LabelFile) -> None:
    """Reads a label track; a point label is an instant.

    A fourth cell with a number is a probability, which BirdNET writes.

    Args:
        text: The file.
        found: Takes the annotations.
    """
    entry: Entry | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        if cells[0] == "\\" and len(cells) == 3 and entry:
            entry = replace(entry, low=_limit(cells[1]), high=_limit(cells[2]))
            continue
        _add(entry, found)
        entry = None
        if not line.strip():
            continue
        where = f"row {number}"
        if len(cells) < 2:
            found.fail(where, "no tabs; a label track has start, end and text in each row")
        elif len(cells) == 4 and parse_number(cells[3]) is not None:
            entry = Entry(where, *cells[:3], probability=cells[3])
        elif any(cells[3:]):
            found.fail(
                where, f"{len(cells)} cells, not start, end and text; remove tabs in the text"
            )
        else:
            entry = Entry(where, cells[0], cells[1], cells[2] if len(cells) > 2 else "")
    _add(entry, found)


def _limit(text: str) -> str:
    """A frequency limit; Audacity writes -1 for none."""
    number = parse_number(text)
    return "" if number is not None and number < 0 else text


def _add(entry: Entry | None, found: LabelFile) -> None:
    if entry:
        found.add(entry, allows_instants=True)
