"""The sections of the report on slices of the test clips and on robustness."""

from collections.abc import Sequence

from markupsafe import Markup

from earmark.evaluation.analysis.robustness import MAX_SECONDS, ConditionScores, Robustness
from earmark.evaluation.analysis.slices import MIN_CLIPS, Slice
from earmark.evaluation.result import Evaluation
from earmark.report.html import (
    Noted,
    Picture,
    Table,
    make_picture,
    render,
    show_interval,
    show_percent,
)
from earmark.report.plots import draw_intervals

MAX_SLICES = 30
MAX_NAMED = 3
_COLUMNS = ("accuracy", "clips", "groups", "log-loss")


def render_slices(slices: Sequence[Slice], evaluation: Evaluation) -> Markup:
    """Accuracy of each slice, in a plot and a table.

    Args:
        slices: The one with the lowest interval first.
        evaluation: The test.
    """
    overall, listed = evaluation.scores.accuracy, slices[:MAX_SLICES]
    picture = None
    if slices:
        names = [f"{one.column}: {one.value}" for one in listed]
        caption = f"Accuracy of each slice; dashed: all clips, {show_percent(overall)}."
        picture = _draw(names, listed, overall, caption)
    return render(
        "slices.html",
        slices=slices,
        below=find_worse(slices, overall)[:MAX_NAMED],
        overall=overall,
        min_clips=MIN_CLIPS,
        picture=picture,
        table=Table(
            ("slice", "value", *_COLUMNS), [(one.column, one.value, *_cells(one)) for one in listed]
        ),
        num_more=len(slices) - len(listed),
    )


def find_worse(slices: Sequence[Slice], overall: float) -> list[Slice]:
    """The slices whose whole confidence interval is below the overall accuracy."""
    return [one for one in slices if one.accuracy_interval[1] < overall]


def render_robustness(robustness: Robustness) -> Markup:
    """Accuracy under each condition, in a plot and a table."""
    found = robustness.conditions
    picture = None
    if found:
        names = [one.condition for one in found]
        caption = "Accuracy under each condition; dashed: as recorded."
        picture = _draw(names, found, found[0].accuracy, caption)
    rows = [(one.condition, *_cells(one), one.num_lost, one.num_gained) for one in found]
    return render(
        "robustness.html",
        longest_seconds=MAX_SECONDS,
        picture=picture,
        table=Table(("condition", *_COLUMNS, "lost", "gained"), rows),
        num_skipped=len(robustness.skipped),
    )


def _draw(
    names: Sequence[str],
    scores: Sequence[Slice] | Sequence[ConditionScores],
    reference: float,
    caption: str,
) -> Picture:
    accuracies = [one.accuracy for one in scores]
    intervals = [one.accuracy_interval for one in scores]
    return make_picture(draw_intervals(names, accuracies, intervals, reference), caption)


def _cells(one: Slice | ConditionScores) -> tuple[object, ...]:
    accuracy = Noted(show_percent(one.accuracy), show_interval(one.accuracy_interval, ".1%"))
    return accuracy, one.num_clips, one.num_groups, f"{one.loss:.3f}"
