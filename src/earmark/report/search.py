"""The HTML page of a search: each moment with its sound."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from earmark.audio.encoding import encode
from earmark.audio.reading import load_audio
from earmark.audio.source import MIN_SECONDS
from earmark.errors import AudioError
from earmark.labelling.search import Match
from earmark.report.html import Section, data_address, render, write_page

BIT_RATE = 64_000


@dataclass(frozen=True)
class Moment:
    """A part of a file with its sound.

    Args:
        name: The file.
        times: Where it starts and ends.
        detail: More about it.
        audio: The sound as a ``data:`` address; None where it cannot be decoded.
        error: Why.
    """

    name: str
    times: str
    detail: str = ""
    audio: str | None = None
    error: str = ""


def write_search_page(
    path: Path, query: Path, span: tuple[float, float | None], matches: Sequence[Match]
) -> None:
    """Writes the query and its matches as one file that needs no other.

    Args:
        path: The page.
        query: The sound that was searched for.
        span: Start and end of the part that was used, in seconds; None is the end of the file.
        matches: What was found.
    """
    asked = _moment(query, *span)
    found = [
        _moment(one.path, one.start, one.end, f"similarity {one.similarity:.3f}") for one in matches
    ]
    sections = [
        Section("Query", _render([asked])),
        Section("Most similar", _render(found)),
    ]
    title = f"Similar to {query.name}"
    write_page(path, render("page.html", title=title, sections=sections))


def _render(moments: Sequence[Moment]) -> Markup:
    return render("moments.html", moments=moments)


def _moment(path: Path, start: float, end: float | None, detail: str = "") -> Moment:
    until = "the end" if end is None else f"{end:.2f} s"
    times = f"{start:.2f} s to {until}"
    try:
        last = None if end is None else max(end, start + MIN_SECONDS)
        sound = load_audio(path, start=start, end=last)
    except AudioError as error:
        return Moment(str(path), times, detail, error=str(error))
    content = encode(sound.samples, sound.sample_rate, "mp3", BIT_RATE)
    return Moment(str(path), times, detail, data_address(content, "audio/mpeg"))
