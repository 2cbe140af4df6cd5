"""What commands print on standard output."""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.errors import FailedFile
    from earmark.evaluation.analysis.analyze import Examination
    from earmark.evaluation.compare import Comparison
    from earmark.evaluation.metrics.scores import Scores
    from earmark.evaluation.metrics.significance import PairedDifference
    from earmark.evaluation.result import Evaluation, WindowScores
    from earmark.inference.predictions import Prediction
    from earmark.training.cross_validation.result import CrossValidation

logger = logging.getLogger(__name__)

PREDICTION_COLUMNS = ("file", "label", "probability", "seconds")
SEGMENT_COLUMNS = ("file", "start", "end", "label", "probability")
RATIOS = ("precision", "recall", "f1")


def read_data(data: Path) -> "Manifest":
    """Reads a data set and says what was assumed."""
    from earmark.data.manifest import read_manifest

    manifest = read_manifest(data)
    for note in manifest.notes:
        logger.info(f"note: {note}")
    return manifest


def prediction_row(result: "Prediction | FailedFile") -> tuple[str, ...]:
    """A file's cells in the order of `PREDICTION_COLUMNS`."""
    facts = result.to_dict()
    if "error" in facts:
        return facts["path"], "-", "-", "-"
    seconds = f"{facts['duration_seconds']:.1f}"
    if "abstained" in facts:
        return facts["path"], f"- ({facts['abstained']})", "-", seconds
    chosen = facts.get("labels", [facts.get("label")])
    shares = ";".join(f"{facts['probabilities'][label]:.3f}" for label in chosen)
    return facts["path"], ";".join(chosen) or "-", shares or "-", seconds


def segment_rows(result: "Prediction | FailedFile") -> list[tuple[str, ...]]:
    """A row a segment of a file in the order of `SEGMENT_COLUMNS`; one of dashes without any."""
    facts = result.to_dict()
    return [
        (
            *(facts["path"], f"{one['start']:.2f}", f"{one['end']:.2f}"),
            *(one["label"], f"{one['probability']:.3f}"),
        )
        for one in facts.get("segments", ())
    ] or [(facts["path"], "-", "-", "-", "-")]


def print_scores(scores: "Scores") -> None:
    """Prints a test's figures for people."""
    from earmark.cli.terminal import print_table

    columns = (*RATIOS, "average_precision") if scores.ranks else RATIOS
    rows = [
        (label, *(_ratio(one[key]) for key in columns), one["num_clips"])
        for label, one in scores.per_class.items()
    ]
    print_table("", ("label", *(name.replace("_", " ") for name in columns), "clips"), rows)
    if scores.ranks:
        ranks = scores.ranks
        click.echo(
            f"Mean average precision {_ratio(ranks.mean_average_precision)}, lwlrap "
            f"{_ratio(ranks.lwlrap)}, micro F1 {_ratio(ranks.micro_f1)}"
        )
    _print_headline(scores)


def _print_headline(scores: "Scores") -> None:
    low, high = scores.accuracy_interval
    click.echo(
        f"Accuracy {scores.accuracy:.1%}: {tally(scores)} from {scores.num_groups} groups, "
        f"interval {low:.1%} to {high:.1%}; log-loss {scores.loss:.4f}"
    )


def print_evaluation(evaluation: "Evaluation") -> None:
    """Prints a test for people: its figures and what they are to be compared with."""
    print_scores(evaluation.scores)
    print_windows(evaluation.windows)
    before, after = evaluation.calibrations
    calibrated = f"Calibration error {after.ece:.3f}, Brier score {after.brier:.3f}"
    if evaluation.rule.temperature != 1.0:
        calibrated += (
            f", at a temperature of {evaluation.rule.temperature:.3g}; {before.ece:.3f} and "
            f"{before.brier:.3f} without it"
        )
    click.echo(calibrated)
    coverage = evaluation.coverage
    if coverage.num_silent or coverage.num_unsure:
        click.echo(
            f"No decision on {coverage.num_silent} silent and {coverage.num_unsure} unsure clips; "
            f"of the other {coverage.num_decided}, {coverage.num_correct} are right"
        )
    majority = evaluation.majority
    print_difference(f"always {';'.join(majority.labels) or 'no label'}", majority.paired)
    if evaluation.baseline:
        print_difference(str(evaluation.baseline.path), evaluation.baseline.paired)


def print_difference(other: str, paired: "PairedDifference") -> None:
    """Prints how much more often one judge is right than another, and whether it may be chance."""
    from earmark.cli.terminal import printable

    interval = "none"
    if paired.interval:
        interval = " to ".join(f"{end:+.1%}" for end in paired.interval)
    click.echo(
        f"Compared with {printable(other)}: {paired.num_correct[0]} of {paired.num_clips} right "
        f"against {paired.num_correct[1]}, difference {paired.difference:+.1%}, interval "
        f"{interval}, McNemar p {paired.test.p_value:.2g}"
    )


def print_comparison(found: "Comparison", models: tuple[str, str]) -> None:
    """Prints the clips on which two models differ, their figures, and the difference."""
    from earmark.cli.terminal import print_table, printable

    rows = [
        (one["path"], one["label"], one["first"] or "-", one["second"] or "-")
        for one in found.differing
    ]
    if rows:
        print_table("RankedClip differently", ("file", "label", *models), rows)
    for model, test in zip(models, (found.first, found.second), strict=True):
        click.echo(printable(model))
        _print_headline(test.scores)
    print_difference("the other model", found.paired)


def print_windows(windows: "WindowScores | None") -> None:
    """Prints the figures of stretches, where there are any."""
    if windows:
        click.echo(
            f"Windows of {windows.seconds:g} s alone: {windows.accuracy:.1%}, "
            f"{windows.num_correct} of {windows.num_windows}; log-loss {windows.loss:.4f}"
        )


def print_examination(examination: "Examination") -> None:
    """Prints the part of the clips that is surely the worst, and the figures under worse sound."""
    from earmark.cli.terminal import print_table, printable

    if examination.robustness:
        rows = [
            (
                *(one.condition, one.num_clips, f"{one.accuracy:.1%}"),
                " to ".join(f"{bound:.1%}" for bound in one.accuracy_interval),
                *(one.num_lost, one.num_gained),
            )
            for one in examination.robustness.conditions
        ]
        columns = ("sound", "clips", "accuracy", "interval", "lost", "gained")
        print_table("", columns, rows)
    if examination.slices:
        worst = examination.slices[0]
        low, high = worst.accuracy_interval
        click.echo(
            f"Weakest part of the data: {printable(f'{worst.column} {worst.value}')}, "
            f"{worst.num_correct} of {worst.num_clips} right, interval {low:.1%} to {high:.1%}"
        )


def print_cross_validation(found: "CrossValidation") -> None:
    """Prints a row a fold, every clip that was judged wrongly, and the figures of all folds."""
    from earmark.cli.terminal import print_table

    facts = found.to_dict()
    columns = ("seed", "fold", "clips", "right", "accuracy", "loss", "epochs", "seconds")
    rows = [
        (
            *(one["seed"], one["fold"], one["num_clips"], one["num_correct"]),
            *(f"{one['accuracy']:.1%}", f"{one['loss']:.4f}"),
            *(one["epochs"], f"{one['elapsed_seconds']:.1f}"),
        )
        for one in facts["folds"]
    ]
    print_table("", columns, rows)
    if facts["errors"]:
        columns = ("file", "label", "predicted", "probability", "seeds")
        rows = [
            (
                *(one["path"], one["label"], one["predicted"] or "-", _ratio(one["probability"])),
                f"{one['num_wrong']} of {one['num_seeds']}",
            )
            for one in facts["errors"]
        ]
        print_table("RankedClip wrongly", columns, rows)
    _print_pooled(facts)
    print_windows(found.windows)


def _print_pooled(facts: Mapping[str, Any]) -> None:
    if "map" in facts:
        click.echo(
            f"Mean average precision {_ratio(facts['map'])}, lwlrap {_ratio(facts['lwlrap'])}, "
            f"micro F1 {_ratio(facts['micro_f1'])}"
        )
    low, high = facts["accuracy_interval"]
    clips = f"{facts['num_clips']} clips from {facts['num_groups']} groups"
    if facts["accuracy_std"] is not None:
        clips = (
            f"{facts['num_judgements']} judgements of {clips}, {len(facts['seeds'])} seeds with a "
            f"standard deviation of {facts['accuracy_std']:.1%}"
        )
    click.echo(
        f"Accuracy {facts['accuracy']:.1%}: {facts['num_correct']} of {clips}, interval "
        f"{low:.1%} to {high:.1%}; log-loss {facts['loss']:.4f}; mean of the folds "
        f"{facts['mean_fold_accuracy']:.1%}"
    )


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def tally(scores: "Scores") -> str:
    """How many of how many."""
    return f"{scores.num_correct} of {scores.num_clips} test clips"


def exit_if_skipped(skipped: "Sequence[FailedFile]") -> None:
    """Says that files were skipped, and exits with status 1 when any were."""
    if skipped:
        logger.warning(f"{len(skipped)} files were skipped; they are named above")
        sys.exit(1)
