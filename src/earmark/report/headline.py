"""The first lines of the report: how good the model is, and how sure that is."""

from html import escape

from earmark.evaluation.metrics.scores import Scores
from earmark.evaluation.result import Evaluation
from earmark.report.words import show_interval, show_ratio
from earmark.tasks.task import MULTI_LABEL


def render_headline(evaluation: Evaluation) -> str:
    """The figures that count the most, in words."""
    scores = evaluation.scores
    low, high = scores.accuracy_interval
    level = f"{evaluation.settings.confidence:.0%}"
    area = "" if scores.roc_auc is None else f" Area under the ROC curve {scores.roc_auc:.3f}."
    several = evaluation.predictions.task is MULTI_LABEL
    rightly = "judged rightly, with every label and no other" if several else "judged rightly"
    return (
        f'<div class="headline">{_ranks(scores)}<strong>{scores.accuracy:.1%}</strong> of the test '
        f"clips are {rightly}: {scores.num_correct} of {scores.num_clips}, from "
        f"{scores.num_groups} groups.<br>With so many the true share is likely between {low:.1%} "
        f"and {high:.1%} ({level} Wilson interval). {_majority(evaluation)}"
        f"<br>Log-loss {scores.loss:.4f} nats (bootstrap interval "
        f"{show_interval(evaluation.intervals['loss'])}).{area}{_windows(evaluation)}</div>"
    )


def _majority(evaluation: Evaluation) -> str:
    """What the simplest of all judges would reach."""
    majority = evaluation.majority
    given = escape(" and ".join(majority.labels) or "no label")
    share = majority.paired.num_correct[1] / majority.paired.num_clips
    return f"Who always says <i>{given}</i> is right in {share:.1%}."


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
        f"lwlrap {show_ratio(scores.ranks.lwlrap)}, micro F1 "
        f"{show_ratio(scores.ranks.micro_f1)}.<br>"
    )
