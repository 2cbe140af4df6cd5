"""WebVTT text tracks.

Source:
    W3C (2019), WebVTT: The Web Video Text Tracks Format, section 4.
"""

import html
import re

from earmark.labelling.imports.annotations import Entry, LabelFile

_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{1,2}[.,]\d{1,3})"
_TIMES = re.compile(rf"\s*{_CLOCK}\s+-->\s+{_CLOCK}(?:\s.*)?")
_BLOCKS = ("NOTE", "STYLE", "REGION")


def read_webvtt(text: str, found: LabelFile) -> None:
    """Reads the cues: the text of each is a label.

    Args:
        text: The file.
        found: Takes the annotations.
    """
    head, *lines = text.replace("\r\n", "\n").split("\n")
    if not head.startswith("WEBVTT"):
        found.fail("row 1", "the first line of WebVTT is WEBVTT; write it")
        return
    block: list[str] = []
    for number, line in enumerate([*lines, ""], start=2):
        if line.strip():
            block.append(line)
        elif block:
            _read_block(block, number - len(block), found)
            block = []


def _read_block(block: list[str], number: int, found: LabelFile) -> None:
    at = next((index for index, line in enumerate(block[:2]) if "-->" in line), None)
    if at is None:
        is_known = block[0].startswith(_BLOCKS) or ":" in block[0]
        if not is_known:
            found.fail(f"row {number}", "no times in this cue; write START --> END before its text")
        return
    where = f"row {number + at}"
    times = _TIMES.fullmatch(block[at])
    if times is None:
        found.fail(where, f"{block[at].strip()!r} are no times such as 00:01.500 --> 00:02.000")
        return
    start, end = (_seconds(times.groups()[first : first + 3]) for first in (0, 3))
    label = html.unescape(re.sub(r"<[^>]*>", "", " ".join(block[at + 1 :])))
    found.add(Entry(where, start, end, label))


def _seconds(clock: tuple[str | None, ...]) -> str:
    hours, minutes, seconds = (float((part or "0").replace(",", ".")) for part in clock)
    return f"{3600 * hours + 60 * minutes + seconds:.3f}"
