"""Matplotlib figures without a display or global state, and their PNG and SVG files."""

import io
import warnings
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#3b7dd8", "#e07b39", "#8a8a8a"
DARK = "#111111"
"""Text on a light background, also on a dark page."""
MOST_LETTERS = 36


def shown(label: str) -> str:
    r"""A label as it is drawn in figures.

    Bytes that are not Unicode, as in names of folders, are escaped. Of a label longer than
    `MOST_LETTERS`, the middle is left out.

    Example:
        >>> shown("caf\udce9")
        'caf\\udce9'
    """
    text = label.encode(errors="backslashreplace").decode()
    if len(text) <= MOST_LETTERS:
        return text
    half = MOST_LETTERS // 2
    return f"{text[: half - 1]}\u2026{text[-half:]}"


def new_figure(width_inches: float, height_inches: float) -> tuple[Figure, Any]:
    """A figure with one pair of axes."""
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def to_png(figure: Figure) -> bytes:
    """A figure as the content of a PNG file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        _allow_missing_letters()
        figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def to_svg(figure: Figure) -> str:
    """A figure as an SVG element for an HTML page.

    Text stays text, and black parts take the colour of the page's text.
    """
    buffer = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": "earmark"}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # The browser has more fonts than the one with which text is measured.
        _allow_missing_letters()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace("#000000", "currentColor")


def _allow_missing_letters() -> None:
    warnings.filterwarnings("ignore", "Glyph .* missing from font")
