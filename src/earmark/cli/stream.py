"""Sound that is still coming, judged and shown as it comes."""

import json
import logging
import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.options import Function

if TYPE_CHECKING:
    import numpy as np

    from earmark.inference.classifier import Classifier
    from earmark.inference.predictions import WindowPrediction
    from earmark.system.progress import Reporter

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
    help="Standard input is raw mono samples of this rate in Hz.",
)
_raw_format = click.option(
    "--raw-format",
    type=click.Choice(("s16le", "f32le")),
    default="s16le",
    show_default=True,
    help="Their kind, as FFmpeg names it.",
)


def raw_options(function: Function) -> Function:
    """Adds --raw and --raw-format."""
    return _raw(_raw_format(function))


def show_stream(
    classifier: "Classifier", rate: int, kind: str, *, as_json: bool, reporter: "Reporter"
) -> None:
    """Shows what is heard in raw samples from standard input, until they end."""
    from earmark.audio.microphone import raw_blocks

    read = getattr(sys.stdin.buffer, "read1", sys.stdin.buffer.read)
    tell_latency(classifier, 0.0, reporter)
    show_windows(classifier, raw_blocks(read, kind), rate, as_json=as_json)


def tell_latency(classifier: "Classifier", input_seconds: float, reporter: "Reporter") -> None:
    """Says how much later than the sound its label comes.

    A change is seen when about half of a window lies behind it; the next window may be a hop away,
    and its last frame needs half a transform more.
    """
    features, predict = classifier.spec.config.features, classifier.spec.config.predict
    window_seconds = (
        (classifier.spec.window_frames - 1) * features.hop_length / features.sample_rate
    )
    ahead_seconds = features.n_fft / 2 / features.sample_rate
    late = window_seconds / 2 + ahead_seconds + predict.hop_seconds + input_seconds
    logger.info(
        f"windows of {window_seconds:.2f} s every {predict.hop_seconds:g} s: a change shows about "
        f"{late:.2f} s after it is heard"
    )


def show_windows(
    classifier: "Classifier", blocks: "Iterable[np.ndarray]", rate: int, *, as_json: bool
) -> None:
    """A line a window: JSON, cells between tabs, or on a terminal a line for as long as a label."""
    hop_seconds = classifier.spec.config.predict.hop_seconds
    on_terminal = sys.stdout.isatty() and not as_json
    if not as_json and not on_terminal:
        click.echo("\t".join(WINDOW_COLUMNS))
    shown: tuple[str, ...] | None = None
    for window in classifier.stream(blocks, sample_rate=rate, hop_seconds=hop_seconds):
        if as_json:
            click.echo(json.dumps(_document(classifier, window)))
        elif on_terminal:
            # The line of a label that has ended stays.
            click.echo("\n" if shown not in (None, window.labels) else "\r", nl=False)
            click.echo(_bars(classifier, window, _free_columns()) + CLEAR, nl=False)
            shown = window.labels
        else:
            click.echo("\t".join(_cells(classifier, window)))
        sys.stdout.flush()
    if shown is not None:
        click.echo()


def _document(classifier: "Classifier", window: "WindowPrediction") -> dict[str, Any]:
    from earmark.tasks.task import MULTI_LABEL

    several = classifier.spec.task is MULTI_LABEL
    return {
        "start": round(window.start_seconds, 3),
        "end": round(window.end_seconds, 3),
        **(
            {"labels": list(window.labels)}
            if several
            else {"label": None if window.abstained else window.labels[0]}
        ),
        **({"abstained": window.abstained} if window.abstained else {}),
        "probabilities": dict(
            zip(classifier.labels, map(float, window.probabilities), strict=True)
        ),
    }


def _named(window: "WindowPrediction") -> str:
    return f"- ({window.abstained})" if window.abstained else ";".join(window.labels) or "-"


def _cells(classifier: "Classifier", window: "WindowPrediction") -> tuple[str, ...]:
    from earmark.cli.terminal import printable

    shares = ";".join(f"{share:.3f}" for share in window.probabilities)
    return (
        f"{window.start_seconds:.2f}",
        f"{window.end_seconds:.2f}",
        printable(_named(window)),
        shares,
    )


def _free_columns() -> int:
    # A line that fills the terminal would wrap, and then not be written over.
    return shutil.get_terminal_size().columns - 1


def _bars(classifier: "Classifier", window: "WindowPrediction", columns: int) -> str:
    """The most probable labels, three at most, each with a bar, in so many columns."""
    from earmark.cli.terminal import printable

    best = sorted(zip(window.probabilities, classifier.labels, strict=True), reverse=True)[:3]
    start = f"{window.end_seconds:9.1f} s  {printable(_named(window)):<20.20}"
    texts = [
        (f"  {printable(label)} {share:4.0%} ", share)
        for share, label in sorted(best, key=lambda one: one[1])
    ]
    room = (columns - len(start) - sum(len(text) for text, _ in texts)) // len(texts)
    cells = min(max(room, FEWEST_BAR_CELLS), BAR_CELLS)
    bars = "".join(f"{text}{'█' * round(share * cells):<{cells}}" for text, share in texts)
    return (start + bars)[:columns]
