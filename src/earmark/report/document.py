"""The test report as a whole: its sections and its files."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from earmark._version import __version__
from earmark.data.manifest import Manifest
from earmark.evaluation.analysis.analyze import Analysis
from earmark.evaluation.analysis.examples import rank_clips
from earmark.evaluation.result import Evaluation
from earmark.models.checkpoint import Checkpoint
from earmark.models.spec import ModelSpec
from earmark.report.clips import render_errors, render_examples, render_skipped
from earmark.report.headline import render_headline
from earmark.report.html import Section, render, write_page
from earmark.report.labels import render_curves, render_labels
from earmark.report.model import Origin, render_choices, render_model, render_training
from earmark.report.model_card import render_model_card
from earmark.report.reliability import (
    render_calibration,
    render_comparisons,
    render_coverage,
    render_novelty,
)
from earmark.report.review import ReviewLinks, review_test
from earmark.report.slices import render_robustness, render_slices
from earmark.system.files import atomic_write

REVIEW = "review.html"
"""The page that corrects labels, beside the report."""
MAX_TITLE_LABELS = 4


def write_report(
    folder: Path,
    evaluation: Evaluation,
    checkpoint: Checkpoint,
    origin: Origin,
    analysis: Analysis | None = None,
    manifest: Manifest | None = None,
) -> Path:
    """Writes ``predictions.csv``, ``model_card.md``, ``report.html`` and then `REVIEW`.

    Args:
        folder: Where the files go.
        evaluation: The test.
        checkpoint: The model that was tested.
        origin: Where the model and the data come from.
        analysis: Slices, examples and robustness; without it the report lacks their sections.
        manifest: The data; without them there is no page that corrects labels.

    Returns:
        The path of the report.
    """
    atomic_write(folder / "predictions.csv", evaluation.to_csv())
    card = render_model_card(evaluation, checkpoint, origin, analysis)
    atomic_write(folder / "model_card.md", card)
    review = review_test(folder / REVIEW, evaluation, manifest) if manifest is not None else None
    page = folder / "report.html"
    links = review.links if review else None
    write_page(page, render_report(evaluation, checkpoint, origin, analysis, links))
    # Last: it decodes sound, and no failure there may cost the results.
    if review:
        review.write()
    return page


def render_report(
    evaluation: Evaluation,
    checkpoint: Checkpoint,
    origin: Origin,
    analysis: Analysis | None = None,
    links: ReviewLinks | None = None,
) -> str:
    """The page as text; see `write_report`."""
    sections = [
        Section("Labels", render_labels(evaluation)),
        Section("Confusion and curves", render_curves(evaluation, links)),
        Section("Baselines", render_comparisons(evaluation)),
        Section("Calibration", render_calibration(evaluation)),
        Section("Coverage", render_coverage(evaluation)),
        *_scored_novelty(evaluation),
        *_analyzed(evaluation, checkpoint, analysis),
        Section("Errors", render_errors(rank_clips(evaluation), links)),
    ]
    if evaluation.skipped:
        sections.append(Section("Skipped files", render_skipped(evaluation.skipped)))
    sections.append(Section("Training", render_training(origin, checkpoint)))
    if choices := render_choices(origin.run):
        sections.append(Section("Chosen settings", choices))
    sections.append(Section("Model", render_model(checkpoint, evaluation)))
    return render(
        "report.html",
        title=f"Test report: {_list_labels(checkpoint.spec)}",
        facts=_facts(origin, checkpoint.spec),
        headline=render_headline(evaluation),
        sections=sections,
    )


def _scored_novelty(evaluation: Evaluation) -> Iterator[Section]:
    if evaluation.novelty:
        yield Section("Unlike training", render_novelty(evaluation.novelty))


def _analyzed(
    evaluation: Evaluation, checkpoint: Checkpoint, analysis: Analysis | None
) -> Iterator[Section]:
    if analysis is None:
        return
    yield Section("Slices", render_slices(analysis.slices, evaluation))
    if analysis.robustness:
        yield Section("Robustness", render_robustness(analysis.robustness))
    features = checkpoint.spec.config.features
    # Vectors have no picture.
    if features.embedder is None:
        shown = render_examples(analysis.worst, analysis.most_confident, features)
        yield Section("Examples", shown)


def _list_labels(spec: ModelSpec) -> str:
    """The labels, or how many there are."""
    if len(spec.answers) <= MAX_TITLE_LABELS:
        return ", ".join(spec.answers)
    return f"{len(spec.answers)} labels"


def _facts(origin: Origin, spec: ModelSpec) -> list[tuple[str, str]]:
    """What was tested, on what and when."""
    facts = [
        ("Model", str(origin.model)),
        ("Data", f"{origin.data} ({origin.split})"),
        ("Date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("earmark", __version__),
    ]
    if origin.naming:
        facts.insert(2, ("File names", origin.naming))
    if len(spec.answers) > MAX_TITLE_LABELS:
        facts.append(("Labels", ", ".join(spec.answers)))
    if spec.background_label:
        facts.append(("Background", f"{spec.background_label} (never predicted)"))
    return facts
