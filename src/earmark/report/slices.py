"""The sections of the report on parts of the test clips and on worse sound."""

from collections.abc import Sequence
from html import escape

from earmark.evaluation.analysis.robustness import LONGEST_SECONDS, ConditionScores, Robustness
from earmark.evaluation.analysis.slices import MIN_CLIPS, Slice
from earmark.evaluation.result import Evaluation
from earmark.report.html import html_figure, html_table
from earmark.report.plots import draw_intervals

MOST_SLICES = 30
FIGURE_COLUMNS = ("clips", "groups", "accuracy", "low", "high", "log-loss")


def render_slices(slices: Sequence[Slice], evaluation: Evaluation) -> str:
    """Accuracy of parts of the clips, the surely worst first."""
    if not slices:
        return (
            "<p>Too few clips to tell parts apart by duration, level, bandwidth, group or what "
            f"else the manifest says: a part needs {MIN_CLIPS}.</p>"
        )
    whole, shown = evaluation.scores.accuracy, slices[:MOST_SLICES]
    below = [one for one in slices if one.accuracy_interval[1] < whole]
    names = [f"{one.column}: {one.value}" for one in shown]
    figure = draw_intervals(
        names, [one.accuracy for one in shown], [one.accuracy_interval for one in shown], whole
    )
    rows = [(one.column, one.value, *_figures(one)) for one in shown]
    left = len(slices) - len(shown)
    return (
        f"<p>{_worst(slices[0], below, whole)} Parts of fewer than {MIN_CLIPS} clips are not "
        "judged. Of many parts some are low by chance: read the interval, and take a low part as a "
        "question to more data.</p>"
        + html_figure(figure, f"Accuracy of each part; dashed: of all clips, {whole:.1%}.")
        + html_table(("part", "value", *FIGURE_COLUMNS), rows)
        + (f"<p>And {left} more, with higher accuracies; --json has them all.</p>" if left else "")
    )


def _worst(first: Slice, below: Sequence[Slice], whole: float) -> str:
    if not below:
        return (
            f"No part is surely worse than the whole ({whole:.1%}). The lowest interval is that of "
            f"{escape(first.column)} {escape(first.value)}: {_says(first)}."
        )
    listed = "; ".join(
        f"<b>{escape(one.column)} {escape(one.value)}</b>, {_says(one)}" for one in below[:3]
    )
    return f"Worse than the whole ({whole:.1%}) beyond their intervals: {listed}."


def _says(one: Slice) -> str:
    low, high = one.accuracy_interval
    return f"{one.num_correct} of {one.num_clips} ({low:.1%} to {high:.1%})"


def _figures(one: Slice | ConditionScores) -> tuple[object, ...]:
    low, high = (f"{bound:.1%}" for bound in one.accuracy_interval)
    return (one.num_clips, one.num_groups, f"{one.accuracy:.1%}", low, high, f"{one.loss:.3f}")


def render_robustness(robustness: Robustness) -> str:
    """Accuracy under each condition, in a picture and a table."""
    found = robustness.conditions
    if not found:
        return "<p>No clip could be decoded again.</p>"
    names = [one.condition for one in found]
    figure = draw_intervals(
        names,
        [one.accuracy for one in found],
        [one.accuracy_interval for one in found],
        found[0].accuracy,
    )
    rows = [(one.condition, *_figures(one), one.num_lost, one.num_gained) for one in found]
    skipped = len(robustness.skipped)
    return (
        f"<p>Each clip, at most its first {LONGEST_SECONDS:g} s, was judged again with its sound "
        "changed. Noise has its level by the power of the whole clip. Babble is up to six clips of "
        "other groups at once; at 0 dB they are as loud as the clip, so that its label is open to "
        "doubt. Excerpts are of clips that are longer. <i>Lost</i> clips are right as recorded and "
        "wrong when changed; <i>gained</i> ones the other way round.</p>"
        + html_figure(figure, "Accuracy under each condition; dashed: as recorded.")
        + html_table(("condition", *FIGURE_COLUMNS, "lost", "gained"), rows)
        + (f"<p>{skipped} clips could not be decoded and were left out.</p>" if skipped else "")
    )
