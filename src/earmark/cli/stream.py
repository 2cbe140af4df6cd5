"""Live sound, predicted and shown window by window."""

import logging
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from earmark.cli.options import Function
from earmark.cli.printing import NOTHING
from earmark.cli.terminal import print_json

if TYPE_CHECKING:
    import numpy as np

    from earmark.inference.classifier import Classifier
    from earmark.inference.predictions import WindowPrediction

logger = logging.getLogger(__name__)

WINDOW_COLUMNS = ("start", "end", "label", "probabilities")
BAR_CELLS, FEWEST_BAR_CELLS = 20, 4
CLEAR = "\x1b[K"
"""Empties the rest of a line of the terminal."""

_raw = click.option(
    "--raw",
    "raw_rate",
    type=click.IntRange(min=1),
    metavar="RATE",
    help="Read standard input as raw mono samples at this rate in Hz.",
)
_raw_format = click.option(
    "--raw-format",
    type=click.Choice(("s16le", "f32le")),
    default="s16le",
    show_default=True,
    help="Format of these samples, as FFmpeg names it.",
)


def raw_options(function: Function) -> Function:
    """Adds --raw and --raw-format."""
    return _raw(_raw_format(function))


def show_stream(classifier: "Classifier", rate: int, raw_format: str, *, as_json: bool) -> None:
    """Predicts raw samples from standard input, until they end."""
    from earmark.audio.microphone import raw_blocks

    read = getattr(sys.stdin.buffer, "read1", sys.stdin.buffer.read)
    log_latency(classifier, 0.0)
    windows = live_windows(classifier, raw_blocks(read, raw_format), rate)
    show_windows(classifier, windows, as_json=as_json)


def log_latency(classifier: "Classifier", input_seconds: float) -> None:
    """Logs the expected latency from a change in the sound to the change of its label.

    The label changes when about half of a window lies after the change; the next window may be a
    hop away, and its last frame needs half a transform more. Vectors of an embedder are whole
    windows apart.

    Args:
        classifier: The model.
        input_seconds: Latency of the input.
    """
    features, predict = classifier.spec.config.features, classifier.spec.config.predict
    window_seconds = classifier.spec.window_seconds
    log_mel = features if features.embedder is None else features.embedder.front_end
    ahead_seconds = log_mel.n_fft / 2 / log_mel.sample_rate if log_mel else 0.0
    hop_seconds = predict.hop_seconds
    if features.embedder is not None:
        hop_seconds = classifier.spec.step_frames(hop_seconds) * features.frame_seconds
    latency = window_seconds / 2 + ahead_seconds + hop_seconds + input_seconds
    logger.info(
        f"windows of {window_seconds:.2f} s every {hop_seconds:g} s; expected latency: "
        f"{latency:.2f} s"
    )


def live_windows(
    classifier: "Classifier", blocks: "Iterable[np.ndarray]", rate: int
) -> "Iterator[WindowPrediction]":
    """The windows of live sound at the step of ``predict.hop_seconds``."""
    hop_seconds = classifier.spec.config.predict.hop_seconds
    return classifier.stream(blocks, sample_rate=rate, hop_seconds=hop_seconds)


def show_windows(
    classifier: "Classifier", windows: "Iterable[WindowPrediction]", *, as_json: bool
) -> None:
    """Prints a line a window: JSON or tab-separated; on a terminal one line a label, with bars."""
    on_terminal = sys.stdout.isatty() and not as_json
    if not as_json and not on_terminal:
        click.echo("\t".join(WINDOW_COLUMNS))
    shown: tuple[str, ...] | None = None
    for window in windows:
        if as_json:
            print_json(window.to_dict(classifier.spec))
        elif on_terminal:
            # A new label starts a new line; the old one stays.
            click.echo("\n" if shown not in (None, window.labels) else "\r", nl=False)
            click.echo(_bars(classifier, window, _free_columns()) + CLEAR, nl=False)
            shown = window.labels
        else:
            click.echo("\t".join(_cells(classifier, window)))
        sys.stdout.flush()
    if shown is not None:
        click.echo()


def _label(window: "WindowPrediction") -> str:
    return f"({window.abstained})" if window.abstained else ";".join(window.labels) or NOTHING


def _cells(classifier: "Classifier", window: "WindowPrediction") -> tuple[str, ...]:
    from earmark.cli.terminal import printable

    probabilities = ";".join(f"{one:.3f}" for one in window.probabilities)
    return (
        f"{window.start_seconds:.2f}",
        f"{window.end_seconds:.2f}",
        printable(_label(window)),
        probabilities,
    )


def _free_columns() -> int:
    from earmark.cli.terminal import terminal_width

    # A line that fills the terminal would wrap and could not be overwritten.
    return terminal_width(sys.stdout) - 1


def _bars(classifier: "Classifier", window: "WindowPrediction", columns: int) -> str:
    """At most three of the most probable labels, each with a bar, in so many columns."""
    from earmark.cli.terminal import printable

    best = sorted(zip(window.probabilities, classifier.labels, strict=True), reverse=True)[:3]
    start = f"{window.end_seconds:9.1f} s  {printable(_label(window)):<20.20}"
    texts = [
        (f"  {printable(label)} {probability:4.0%} ", probability)
        for probability, label in sorted(best, key=lambda one: one[1])
    ]
    room = (columns - len(start) - sum(len(text) for text, _ in texts)) // len(texts)
    cells = min(max(room, FEWEST_BAR_CELLS), BAR_CELLS)
    bars = "".join(f"{text}{'█' * round(one * cells):<{cells}}" for text, one in texts)
    return (start + bars)[:columns]
