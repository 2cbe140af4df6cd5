"""The test report: one HTML page that opens from disk, without a network."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

import earmark
from earmark.card import ModelCard
from earmark.checkpoint import Checkpoint
from earmark.errors import EarmarkError
from earmark.files import write_whole
from earmark.metrics import Scores
from earmark.models import count_parameters
from earmark.outcome import Evaluation, join_labels
from earmark.page import html_figure, html_table, render_page, write_page
from earmark.plots import (
    draw_confusion,
    draw_loss_curve,
    draw_precision_recall,
    draw_roc,
)
from earmark.runs import RunFolder
from earmark.tasks import BINARY, MULTI_LABEL

MOST_TITLE_LABELS = 4
MOST_CURVES = 12
TEST_SPLIT = "test split"
UNSEEN = "recordings that the run has not seen"


@dataclass(frozen=True)
class Origin:
    """What was tested, on what.

    Args:
        model: The file of the model.
        data: The data set.
        split: Which part of it: `TEST_SPLIT`, or `UNSEEN` when it came without splits.
        run: The model's run folder, whose losses are shown.
    """

    model: Path
    data: str
    split: str = TEST_SPLIT
    run: Path | None = None


def write_report(
    folder: Path, evaluation: Evaluation, checkpoint: Checkpoint, origin: Origin
) -> Path:
    """Writes ``predictions.csv`` and ``report.html``; the path of the page.

    Args:
        folder: Where they go.
        evaluation: The test.
        checkpoint: The model that was tested.
        origin: Where the model and the data come from.
    """
    write_whole(folder / "predictions.csv", evaluation.to_csv())
    page = folder / "report.html"
    text = render_report(evaluation, checkpoint, origin)
    write_page(page, text)
    return page


def render_report(evaluation: Evaluation, checkpoint: Checkpoint, origin: Origin) -> str:
    """The page as text."""
    card = checkpoint.card
    title = f"{_list(card)}: test report"
    pictures = "".join([*_figures(evaluation), _loss_curve(origin, checkpoint)])
    sections = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="quiet">{escape(_describe(origin))}</p>',
        _headline(evaluation),
        "<h2>Labels</h2>",
        _class_table(evaluation),
        "<h2>Pictures</h2>",
        f'<div class="figures">{pictures}</div>',
        "<h2>Errors</h2>",
        _error_table(evaluation),
        _skipped(evaluation),
        "<h2>Model</h2>",
        _model(checkpoint, evaluation),
    ]
    return render_page(title, sections)


def _list(card: ModelCard) -> str:
    """A few of the labels, as the task has them."""
    word = " and " if card.task is MULTI_LABEL else " or "
    more = len(card.labels) - MOST_TITLE_LABELS
    return word.join(card.labels[:MOST_TITLE_LABELS]) + (f"{word}{more} more" if more > 0 else "")


def _describe(origin: Origin) -> str:
    day = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"{origin.model}, tested on {origin.data} ({origin.split}), {day}, "
        f"by earmark {earmark.__version__}"
    )


def _headline(evaluation: Evaluation) -> str:
    scores = evaluation.scores
    low, high = scores.accuracy_interval
    area = "" if scores.roc_auc is None else f" Area under the ROC curve {scores.roc_auc:.3f}."
    several = evaluation.predictions.task is MULTI_LABEL
    rightly = "judged rightly, with every label and no other" if several else "judged rightly"
    return (
        f'<div class="headline">{_ranks(scores)}<strong>{scores.accuracy:.1%}</strong> of the test '
        f"clips are {rightly}: {scores.num_correct} of {scores.num_clips}, from "
        f"{scores.num_groups} groups.<br>With so many the true share is likely between {low:.1%} "
        f"and {high:.1%} (Wilson interval). Log-loss {scores.loss:.4f} nats.{area}"
        f"{_windows(evaluation)}</div>"
    )


def _windows(evaluation: Evaluation) -> str:
    windows = evaluation.windows
    if windows is None:
        return ""
    return (
        f"<br>Of the windows of {windows.seconds:g} s, each judged alone, {windows.accuracy:.1%} "
        f"are judged rightly: {windows.num_correct} of {windows.num_windows}. "
        f"Log-loss {windows.loss:.4f} nats."
    )


def _ranks(scores: Scores) -> str:
    if scores.ranks is None or scores.ranks.mean_average_precision is None:
        return ""
    return (
        f"<strong>{scores.ranks.mean_average_precision:.3f}</strong> mean average precision, "
        f"lwlrap {_ratio(scores.ranks.lwlrap)}, micro F1 {_ratio(scores.ranks.micro_f1)}.<br>"
    )


def _class_table(evaluation: Evaluation) -> str:
    columns = {"precision": "precision", "recall": "recall", "f1": "F1"}
    if evaluation.scores.ranks:
        columns["average_precision"] = "average precision"
    rows = [
        (label, *(_ratio(one[name]) for name in columns), one["num_clips"])
        for label, one in evaluation.scores.per_class.items()
    ]
    return html_table(("label", *columns.values(), "clips"), rows)


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _figures(evaluation: Evaluation) -> Iterable[str]:
    scores, labels = evaluation.scores, evaluation.scores.labels
    targets = evaluation.predictions.targets
    if scores.ranks:
        shares = evaluation.predictions.probabilities
        shown = [index for index in range(len(labels)) if targets[:, index].any()][:MOST_CURVES]
        curves = {
            labels[index]: precision_recall_curve(targets[:, index], shares[:, index])[:2]
            for index in shown
        }
        if curves:
            yield html_figure(draw_precision_recall(curves), "Precision and recall of each label.")
        return
    yield html_figure(
        draw_confusion(np.array(scores.confusion), labels), "Confusion matrix: clips by label."
    )
    if scores.roc_auc is not None and evaluation.predictions.task is BINARY:
        false_rate, true_rate, _ = roc_curve(targets[:, 1], evaluation.predictions.logits[:, 0])
        yield html_figure(draw_roc(false_rate, true_rate, labels[1]), f"ROC curve of {labels[1]}.")


def _loss_curve(origin: Origin, checkpoint: Checkpoint) -> str:
    """The losses of the model's run with the epoch of the tested weights, or why they lack."""
    if origin.run is None:
        return "<p>No loss curve: the model does not lie in its run folder.</p>"
    log = _read_losses(origin.run)
    if not log:
        return "<p>No loss curve: the run's log.jsonl is missing or damaged.</p>"
    epoch = checkpoint.progress.get("epoch")
    figure = draw_loss_curve(log, epoch if isinstance(epoch, int) else None, mark="tested")
    return html_figure(figure, "Loss of training and validation.")


def _read_losses(run: Path) -> list[dict[str, float]]:
    """What the curve needs of a run's log; nothing when it cannot be had."""
    try:
        return [
            {
                key: float(line[key])
                for key in ("epoch", "train_loss", "val_loss")
                if key in line or key != "val_loss"
            }
            for line in RunFolder(run).read_log()
        ]
    except (EarmarkError, OSError, ValueError, LookupError, TypeError):
        return []


def _error_table(evaluation: Evaluation) -> str:
    predictions, labels = evaluation.predictions, evaluation.scores.labels
    judged = zip(predictions.clips, evaluation.chosen, predictions.probabilities, strict=True)
    rows = [
        (
            clip.name,
            join_labels(labels, clip.targets),
            join_labels(labels, chosen),
            ";".join(f"{row[index]:.3f}" for index in chosen),
        )
        for clip, chosen, row in judged
        if chosen != clip.targets
    ]
    if not rows:
        return "<p>None.</p>"
    return html_table(("clip", "label", "predicted", "probability"), rows)


def _skipped(evaluation: Evaluation) -> str:
    if not evaluation.skipped:
        return ""
    rows = [(one.name, one.error) for one in evaluation.skipped]
    return "<h2>Skipped</h2>" + html_table(("clip", "why"), rows)


def _model(checkpoint: Checkpoint, evaluation: Evaluation) -> str:
    card = checkpoint.card
    parameters = count_parameters(checkpoint.build())
    settings = escape(card.config.to_toml())
    return (
        f"<p>{escape(card.config.model.name)} with {parameters:,} parameters; "
        f"{escape(_rule(evaluation))}.</p>"
        f"<details><summary>All settings</summary><pre>{settings}</pre></details>"
    )


def _rule(evaluation: Evaluation) -> str:
    """How a label is chosen."""
    labels, thresholds = evaluation.scores.labels, evaluation.thresholds
    task = evaluation.predictions.task
    if task is BINARY:
        return f"a clip is {labels[1]} from a probability of {thresholds[0]:g}"
    if task is MULTI_LABEL:
        each = (f"{one} {value:.2f}" for one, value in zip(labels, thresholds, strict=True))
        return f"a label is chosen from a probability of {', '.join(each)} (from validation data)"
    return "the most probable label is chosen"
