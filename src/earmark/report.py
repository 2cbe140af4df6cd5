"""The test report: one HTML page that opens from disk, without a network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

import earmark
from earmark.checkpoint import Checkpoint
from earmark.errors import EarmarkError
from earmark.evaluation import Evaluation
from earmark.files import write_whole
from earmark.metrics import decide
from earmark.models import count_parameters
from earmark.plots import draw_confusion, draw_loss_curve, draw_roc, to_svg
from earmark.runs import RunFolder

_STYLE = """
:root { color-scheme: light dark; --card: #f4f5f7; --line: #d5d8dd; --quiet: #5c6470; }
@media (prefers-color-scheme: dark) {
  :root { --card: #23262b; --line: #3a3f47; --quiet: #a0a8b4; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { margin-bottom: 0; }
h2 { margin-top: 2.5rem; }
.quiet { color: var(--quiet); }
.headline { background: var(--card); border-radius: .5rem; padding: 1rem 1.5rem; }
.headline strong { font-size: 2.5rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--line); text-align: left; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td:first-child { overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; align-items: start; }
figure { margin: 0; padding: .5rem; background: white; border-radius: .5rem; max-width: 100%;
  box-sizing: border-box; border: 1px solid var(--line); }
figure svg { max-width: 100%; height: auto; display: block; }
figcaption { color: #444; font-size: .9rem; }
pre { background: var(--card); padding: 1rem; overflow-x: auto; border-radius: .5rem; }
@media print { details { display: none; } figure { break-inside: avoid; } }
"""


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
    # A page must be UTF-8, and the name of a file need not be.
    write_whole(page, text.encode(errors="backslashreplace"))
    return page


def render_report(evaluation: Evaluation, checkpoint: Checkpoint, origin: Origin) -> str:
    """The page as text."""
    card = checkpoint.card
    title = f"{' or '.join(card.labels)}: test report"
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
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


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
    return (
        f'<div class="headline"><strong>{scores.accuracy:.1%}</strong> of the test clips are '
        f"judged rightly: {scores.num_correct} of {scores.num_clips}, from {scores.num_groups} "
        f"groups.<br>With so many the true share is likely between {low:.1%} and {high:.1%} "
        f"(Wilson interval). Log-loss {scores.loss:.4f} nats.{area}</div>"
    )


def _class_table(evaluation: Evaluation) -> str:
    rows = [
        (label, *(_ratio(one[name]) for name in ("precision", "recall", "f1")), one["num_clips"])
        for label, one in evaluation.scores.per_class.items()
    ]
    return _table(("label", "precision", "recall", "F1", "clips"), rows)


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _figures(evaluation: Evaluation) -> Iterable[str]:
    scores, labels = evaluation.scores, evaluation.scores.labels
    yield _figure(
        draw_confusion(np.array(scores.confusion), labels), "Confusion matrix: clips by label."
    )
    if scores.roc_auc is not None:
        targets, logits = evaluation.predictions.targets, evaluation.predictions.logits
        false_rate, true_rate, _ = roc_curve(targets, logits[:, 0])
        yield _figure(draw_roc(false_rate, true_rate, labels[1]), f"ROC curve of {labels[1]}.")


def _loss_curve(origin: Origin, checkpoint: Checkpoint) -> str:
    """The losses of the model's run with the epoch of the tested weights, or why they lack."""
    if origin.run is None:
        return "<p>No loss curve: the model does not lie in its run folder.</p>"
    log = _read_losses(origin.run)
    if not log:
        return "<p>No loss curve: the run's log.jsonl is missing or damaged.</p>"
    epoch = checkpoint.progress.get("epoch")
    figure = draw_loss_curve(log, epoch if isinstance(epoch, int) else None, mark="tested")
    return _figure(figure, "Loss of training and validation.")


def _read_losses(run: Path) -> list[dict[str, float]]:
    """What the curve needs of a run's log; nothing when it cannot be had."""
    try:
        return [
            {key: float(line[key]) for key in ("epoch", "train_loss", "val_loss")}
            for line in RunFolder(run).read_log()
        ]
    except (EarmarkError, OSError, ValueError, LookupError, TypeError):
        return []


def _figure(figure: Any, caption: str) -> str:
    return f"<figure>{to_svg(figure)}<figcaption>{escape(caption)}</figcaption></figure>"


def _error_table(evaluation: Evaluation) -> str:
    predictions, labels = evaluation.predictions, evaluation.scores.labels
    probabilities = predictions.probabilities
    chosen = decide(probabilities, evaluation.threshold)
    rows = [
        (clip.name, labels[clip.target], labels[index], f"{probabilities[number, index]:.3f}")
        for number, (clip, index) in enumerate(zip(predictions.clips, chosen, strict=True))
        if index != clip.target
    ]
    if not rows:
        return "<p>None.</p>"
    return _table(("clip", "label", "predicted", "probability"), rows)


def _skipped(evaluation: Evaluation) -> str:
    if not evaluation.skipped:
        return ""
    rows = [(one.name, one.error) for one in evaluation.skipped]
    return "<h2>Skipped</h2>" + _table(("clip", "why"), rows)


def _model(checkpoint: Checkpoint, evaluation: Evaluation) -> str:
    card = checkpoint.card
    parameters = count_parameters(checkpoint.build())
    settings = escape(card.config.to_toml())
    return (
        f"<p>{escape(card.config.model.name)} with {parameters:,} parameters; a clip is "
        f"{escape(card.labels[1])} from a probability of {evaluation.threshold:g}.</p>"
        f"<details><summary>All settings</summary><pre>{settings}</pre></details>"
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    numeric = [
        all(str(row[index]).replace(".", "", 1).isdigit() for row in rows)
        for index in range(len(columns))
    ]
    kinds = [' class="number"' if one else "" for one in numeric]
    head = "".join(
        f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, columns, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{escape(str(cell))}</td>" for kind, cell in zip(kinds, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="table"><table><tr>{head}</tr>{body}</table></div>'
