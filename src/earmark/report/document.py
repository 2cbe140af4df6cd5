"""The test report as a whole: which sections it has, and where its files go."""

from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from earmark._version import __version__
from earmark.evaluation.analysis.analyze import Examination
from earmark.evaluation.analysis.examples import rank_clips
from earmark.evaluation.result import Evaluation
from earmark.models.checkpoint import Checkpoint, ModelSpec
from earmark.report.clips import render_errors, render_examples, render_skipped
from earmark.report.headline import render_headline
from earmark.report.html import html_contents, html_heading, render_page, write_page
from earmark.report.labels import render_curves, render_labels
from earmark.report.model import render_model
from earmark.report.model_card import render_model_card
from earmark.report.origin import Origin
from earmark.report.reliability import render_calibration, render_comparisons, render_coverage
from earmark.report.slices import render_robustness, render_slices
from earmark.report.training import render_losses
from earmark.system.files import atomic_write
from earmark.tasks.task import MULTI_LABEL

MOST_TITLE_LABELS = 4


def write_report(
    folder: Path,
    evaluation: Evaluation,
    checkpoint: Checkpoint,
    origin: Origin,
    examination: Examination | None = None,
) -> Path:
    """Writes ``predictions.csv``, ``model_card.md`` and ``report.html``; the path of the page.

    Args:
        folder: Where they go.
        evaluation: The test.
        checkpoint: The model that was tested.
        origin: Where the model and the data come from.
        examination: What stands behind the test; its sections are left out when it is not given.
    """
    atomic_write(folder / "predictions.csv", evaluation.to_csv())
    card = render_model_card(evaluation, checkpoint, origin, examination)
    atomic_write(folder / "model_card.md", card)
    page = folder / "report.html"
    write_page(page, render_report(evaluation, checkpoint, origin, examination))
    return page


def render_report(
    evaluation: Evaluation,
    checkpoint: Checkpoint,
    origin: Origin,
    examination: Examination | None = None,
) -> str:
    """The page as text; see `write_report`."""
    title = f"{_list(checkpoint.spec)}: test report"
    sections = [
        ("Labels", render_labels(evaluation)),
        ("Curves", render_curves(evaluation)),
        ("Comparisons", render_comparisons(evaluation)),
        ("Calibration", render_calibration(evaluation)),
        ("Coverage", render_coverage(evaluation)),
        *_examined(evaluation, checkpoint, examination),
        ("Errors", render_errors(rank_clips(evaluation))),
        *([("FailedFile", render_skipped(evaluation.skipped))] if evaluation.skipped else []),
        ("Training", render_losses(origin, checkpoint)),
        ("Model", render_model(checkpoint, evaluation)),
    ]
    return render_page(
        title,
        [
            f"<h1>{escape(title)}</h1>",
            f'<p class="quiet">{escape(_describe(origin))}</p>',
            render_headline(evaluation),
            html_contents([name for name, _ in sections]),
            *(html_heading(name) + content for name, content in sections),
        ],
    )


def _examined(
    evaluation: Evaluation, checkpoint: Checkpoint, examination: Examination | None
) -> Iterator[tuple[str, str]]:
    """The sections on what stands behind the test."""
    if examination is None:
        return
    yield "Parts of the data", render_slices(examination.slices, evaluation)
    if examination.robustness:
        yield "Worse sound", render_robustness(examination.robustness)
    features = checkpoint.spec.config.features
    yield "Clips", render_examples(examination.worst, examination.surest, features)


def _list(spec: ModelSpec) -> str:
    """A few of the labels, as the task has them."""
    word = " and " if spec.task is MULTI_LABEL else " or "
    more = len(spec.labels) - MOST_TITLE_LABELS
    return word.join(spec.labels[:MOST_TITLE_LABELS]) + (f"{word}{more} more" if more > 0 else "")


def _describe(origin: Origin) -> str:
    day = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"{origin.model}, tested on {origin.data} ({origin.split}), {day}, by earmark {__version__}"
    )
