"""HTML pages that open from disk without a network: templates and the values that they lay out."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from earmark.evaluation.metrics.formats import format_ratio
from earmark.evaluation.metrics.intervals import Interval
from earmark.evaluation.metrics.scores import Ratio
from earmark.figures import BLUE, to_svg
from earmark.system.files import atomic_write

DASH = "\u2013"
THEMED_COLOURS = {BLUE: "--plot-blue", "#0072b2": "--plot-1", "#009e73": "--plot-3"}
"""Colours of plots that style.css makes lighter on a dark page, each with its CSS variable."""


@dataclass(frozen=True)
class Noted:
    """A value of a table with a smaller note below it, such as its confidence interval."""

    value: str
    note: str

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Linked:
    """A value of a table with an address."""

    value: str
    address: str

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Table:
    """A table of texts and numbers.

    Args:
        columns: Names of the columns.
        rows: Cells of each row, in the order of the columns: texts, numbers, `Noted` or `Linked`
            values.

    Example:
        >>> Table(("label", "clips"), [("music", 13), ("speech", "1,234")]).numeric
        [False, True]
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers and dashes only; they are aligned to the right."""
        cells = [[str(row[index]) for row in self.rows] for index in range(len(self.columns))]
        return [
            all(one == DASH or _is_number(one) for one in column) and {*column} != {DASH}
            for column in cells
        ]


@dataclass(frozen=True)
class Picture:
    """A plot as an SVG element.

    Args:
        svg: The element.
        caption: The text below it.
    """

    svg: Markup
    caption: str


@dataclass(frozen=True)
class Section:
    """A section of a page, which the contents link to.

    Args:
        title: Its heading.
        content: Its HTML.
    """

    title: str
    content: Markup

    @property
    def anchor(self) -> str:
        """The ``id`` of the heading."""
        return re.sub(r"\W+", "-", self.title.lower())


def render(template: str, **values: object) -> Markup:
    """Fills in a template of this package; values are escaped unless they are `Markup`.

    Args:
        template: Its file name.
        **values: Its variables.

    Example:
        >>> page = render("training.html", picture=None, missing="log", reason="<none>")
        >>> "No loss curve: &lt;none&gt;." in page
        True
    """
    return Markup(_environment.get_template(template).render(values))


def write_page(path: Path, text: str) -> None:
    """Writes a page as UTF-8; bytes of file names that are not UTF-8 are written as escapes."""
    atomic_write(path, text.encode(errors="backslashreplace"))


def make_picture(figure: Figure, caption: str, alternative: str | None = None) -> Picture:
    """A plot for the page, in colours that suit a light and a dark background.

    Args:
        figure: The plot.
        caption: The text below it.
        alternative: What screen readers read; the caption when it is not given.
    """
    svg = to_svg(figure)
    for colour, variable in THEMED_COLOURS.items():
        svg = svg.replace(colour, f"var({variable}, {colour})")
    label = Markup('<svg role="img" aria-label="{}"').format(alternative or caption)
    return Picture(Markup(svg.replace("<svg", label, 1)), caption)


def data_address(content: bytes, media_type: str) -> str:
    """The content of a file as an address that needs no other file.

    Args:
        content: The file.
        media_type: Such as ``audio/mpeg``.
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def show_ratio(value: Ratio) -> str:
    """A fraction with three digits, or a dash for None."""
    return format_ratio(value, DASH)


def show_percent(fraction: float) -> str:
    """A fraction as a percentage with one digit."""
    return f"{fraction:.1%}"


def show_interval(interval: Interval | None, form: str = ".3f") -> str:
    """Both ends of an interval without a line break between them, or a dash for None."""
    if interval is None:
        return DASH
    return f"{{:{form}}}\u00a0to\u00a0{{:{form}}}".format(*interval)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[\d,]*\.?\d+(e[-+]?\d+)?%?", text) is not None


_environment = Environment(
    loader=PackageLoader("earmark.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(percent=show_percent, ratio=show_ratio, interval=show_interval)
