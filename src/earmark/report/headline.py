"""The first lines of the report: how good the model is, and how sure that is."""

from earmark.metrics import Ratio, Scores
from earmark.outcome import Evaluation
from earmark.tasks import MULTI_LABEL


def render_headline(evaluation: Evaluation) -> str:
    """The figures that count the most, in words."""
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
        f"lwlrap {show_ratio(scores.ranks.lwlrap)}, micro F1 "
        f"{show_ratio(scores.ranks.micro_f1)}.<br>"
    )


def show_ratio(value: Ratio) -> str:
    """A share with three digits, or a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"
