"""What commands print on standard output."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.cli.options import DataSource
from earmark.cli.terminal import print_line, print_table
from earmark.evaluation.metrics.formats import format_interval, format_ratio
from earmark.system.numbers import counted

if TYPE_CHECKING:
    from earmark.audit.findings import Audit
    from earmark.data.manifest import Manifest
    from earmark.errors import FailedFile
    from earmark.evaluation.analysis.analyze import Analysis
    from earmark.evaluation.compare import Comparison
    from earmark.evaluation.metrics.scores import Scores
    from earmark.evaluation.metrics.significance import PairedDifference
    from earmark.evaluation.metrics.subsets import ExcerptScores
    from earmark.evaluation.result import Evaluation
    from earmark.inference.predictions import Prediction
    from earmark.training.cross_validation.result import CrossValidation

logger = logging.getLogger(__name__)

PREDICTION_COLUMNS = ("file", "label", "probability", "seconds")
SEGMENT_COLUMNS = ("file", "start", "end", "label", "probability")
FAILED, NOTHING = "(failed)", "(none)"
"""In place of a label: the file could not be read; no label applies."""
MAX_LISTED = 20
"""Findings of each severity, or clips with errors, that are printed."""
RATIOS = ("precision", "recall", "f1")


def read_data(data: DataSource) -> "Manifest":
    """Reads a data set and logs what was assumed."""
    return _log_notes(data.read())


def read_test_data(data: DataSource, *models: Path) -> "Manifest":
    """`read_data` for the test of models, by default with the patterns of their training."""
    from earmark.evaluation.held_out import read_as_trained
    from earmark.models.run_folder import find_run

    if data.naming:
        return read_data(data)
    return _log_notes(read_as_trained(data.path, *map(find_run, models)))


def _log_notes(manifest: "Manifest") -> "Manifest":
    for note in manifest.notes:
        logger.info(f"note: {note}")
    return manifest


def prediction_row(result: "Prediction | FailedFile") -> tuple[str, ...]:
    """The cells of a file in the order of `PREDICTION_COLUMNS`."""
    facts = result.to_dict()
    if "error" in facts:
        return facts["path"], FAILED, "-", "-"
    seconds = f"{facts['duration_seconds']:.1f}"
    if "abstained" in facts:
        return facts["path"], f"({facts['abstained']})", "-", seconds
    chosen = facts.get("labels", [facts.get("label")])
    probabilities = ";".join(f"{facts['probabilities'][label]:.3f}" for label in chosen)
    return facts["path"], ";".join(chosen) or NOTHING, probabilities or "-", seconds


def segment_rows(result: "Prediction | FailedFile") -> list[tuple[str, ...]]:
    """One row per segment of a file in the order of `SEGMENT_COLUMNS`; dashes if there is none."""
    facts = result.to_dict()
    return [
        (
            *(facts["path"], f"{one['start']:.2f}", f"{one['end']:.2f}"),
            *(one["label"], f"{one['probability']:.3f}"),
        )
        for one in facts.get("segments", ())
    ] or [(facts["path"], "-", "-", FAILED if "error" in facts else NOTHING, "-")]


def print_audit(audit: "Audit", summary: str) -> None:
    """Prints errors, then warnings, then notes, some of each, the fingerprint and the headline.

    Args:
        audit: What was found.
        summary: Of the data.
    """
    for severity, findings in groupby(audit.by_severity, key=lambda one: one.severity):
        found = list(findings)
        for finding in found[:MAX_LISTED]:
            print_line(str(finding))
        if len(found) > MAX_LISTED:
            more = counted(len(found) - MAX_LISTED, f"more {severity}")
            print_line(f"and {more}; --json and the page of -o list all")
    _print_label_issues(audit)
    for line in audit.fingerprint.summary() if audit.fingerprint else ():
        print_line(f"data: {line}")
    print_line(f"{audit.headline} ({summary})")


def _print_label_issues(audit: "Audit") -> None:
    issues = audit.label_issues
    if issues is None:
        return
    columns = ("file", "label", "predicted", "probability")
    rows = [
        (
            *(one.recording.name, one.label or NOTHING, one.predicted or NOTHING),
            format_ratio(one.probability),
        )
        for one in issues[:MAX_LISTED]
    ]
    if rows:
        print_table("Probably wrong labels", columns, rows)
    else:
        print_line("Probably wrong labels: none")
    if len(issues) > MAX_LISTED:
        more = len(issues) - MAX_LISTED
        print_line(f"and {more:,} more; --json and the page of -o list all")


def result_table(
    *, segments: bool
) -> tuple[tuple[str, ...], Callable[["Prediction | FailedFile"], Sequence[tuple[str, ...]]]]:
    """The columns of a table of results, and what makes the rows of a file."""
    if segments:
        return SEGMENT_COLUMNS, segment_rows
    return PREDICTION_COLUMNS, lambda one: [prediction_row(one)]


def print_class_scores(scores: "Scores") -> None:
    """Prints the metrics of each label, and the ranking metrics of a multi-label task."""
    columns = (*RATIOS, "average_precision") if scores.ranks else RATIOS
    rows = [
        (label, *(format_ratio(one[key]) for key in columns), one["num_clips"])
        for label, one in scores.per_class.items()
    ]
    print_table("", ("label", *(name.replace("_", " ") for name in columns), "clips"), rows)
    if scores.ranks:
        _print_ranks(scores.ranks.to_dict())


def _print_ranks(ranks: Mapping[str, float | None]) -> None:
    print_line(
        f"Mean average precision {format_ratio(ranks['map'])}, lwlrap "
        f"{format_ratio(ranks['lwlrap'])}, micro F1 {format_ratio(ranks['micro_f1'])}"
    )


def print_evaluation(evaluation: "Evaluation") -> None:
    """Prints a test for people: its metrics and its baselines."""
    print_class_scores(evaluation.scores)
    print_line(evaluation.headline)
    print_line(evaluation.interval_line)
    print_excerpts(evaluation.excerpts)
    _print_calibration(evaluation)
    coverage = evaluation.coverage
    if coverage.num_abstained:
        print_line(
            f"Coverage {coverage.num_decided / coverage.num_clips:.1%}: abstained on "
            f"{coverage.num_silent} silent, {coverage.num_unlike_training} unlike training and "
            f"{coverage.num_unsure} unsure clips; "
            f"{coverage.num_correct} of the other {coverage.num_decided} are correct"
        )
    if coverage.num_background:
        print_line(f"No label for {counted(coverage.num_background, 'clip')}: background")
    majority = evaluation.majority
    print_line(majority.headline)
    print_difference(f"always {';'.join(majority.labels) or 'no label'}", majority.paired)
    if evaluation.classical:
        print_line(evaluation.classical.headline)
    if evaluation.baseline:
        print_difference(str(evaluation.baseline.path), evaluation.baseline.paired)


def _print_calibration(evaluation: "Evaluation") -> None:
    before, after = evaluation.calibrations
    line = f"Expected calibration error {after.ece:.3f}, Brier score {after.brier:.3f}"
    if evaluation.rule.temperature != 1.0:
        line += (
            f" (temperature {evaluation.rule.temperature:.3g}; without it {before.ece:.3f} and "
            f"{before.brier:.3f})"
        )
    print_line(line)


def print_difference(baseline: str, paired: "PairedDifference") -> None:
    """Prints the difference of two accuracies, and whether it is significant."""
    print_line(
        f"Compared with {baseline}: {paired.num_correct[0]} of {paired.num_clips} "
        f"correct against {paired.num_correct[1]}, {paired}"
    )


def print_comparison(found: "Comparison") -> None:
    """Prints the clips that two models predict differently, their metrics, and the difference."""
    rows = [
        (one["path"], one["label"], one["first"] or NOTHING, one["second"] or NOTHING)
        for one in found.differing
    ]
    if rows:
        print_table("Predicted differently", ("file", "label", *found.models), rows)
    print_line(found.scope)
    for model, test in zip(found.models, (found.first, found.second), strict=True):
        print_line(model)
        print_line(test.headline)
        print_line(test.interval_line)
    print_difference("the other model", found.paired)
    print_line(found.verdict)


def print_excerpts(excerpts: "ExcerptScores | None") -> None:
    """Prints the metrics over excerpts, if there are any."""
    if excerpts:
        print_line(
            f"Accuracy on {excerpts.seconds:g} s excerpts {excerpts.accuracy:.1%} "
            f"({excerpts.num_correct} of {excerpts.num_excerpts}); log-loss {excerpts.loss:.4f}"
        )


def print_analysis(analysis: "Analysis") -> None:
    """Prints the metrics on degraded sound, and the worst slice."""
    if analysis.robustness:
        rows = [
            (
                *(one.condition, one.num_clips, f"{one.accuracy:.1%}"),
                format_interval(one.accuracy_interval, ".1%"),
                *(one.num_lost, one.num_gained),
            )
            for one in analysis.robustness.conditions
        ]
        columns = ("condition", "clips", "accuracy", "interval", "lost", "gained")
        print_table("Robustness", columns, rows)
    if analysis.slices:
        worst = analysis.slices[0]
        print_line(
            f"Worst slice: {worst.column} {worst.value}, accuracy "
            f"{worst.accuracy:.1%} ({worst.num_correct} of {worst.num_clips}), interval "
            f"{format_interval(worst.accuracy_interval, '.1%')}"
        )


def print_cross_validation(found: "CrossValidation") -> None:
    """Prints one row per fold, every clip that was predicted wrongly, and the overall metrics."""
    facts = found.to_dict()
    columns = ("seed", "fold", "clips", "correct", "accuracy", "loss", "epochs", "seconds")
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
                *(one["path"], one["label"], one["predicted"] or NOTHING),
                format_ratio(one["probability"]),
                f"{one['num_wrong']} of {one['num_seeds']}",
            )
            for one in facts["errors"][:MAX_LISTED]
        ]
        print_table("Predicted wrongly", columns, rows)
        if len(facts["errors"]) > MAX_LISTED:
            print_line(f"and {len(facts['errors']) - MAX_LISTED:,} more; --json lists all")
    _print_pooled(facts)
    if found.classical:
        print_line(found.classical.headline)
    print_excerpts(found.excerpts)


def _print_pooled(facts: Mapping[str, Any]) -> None:
    if "map" in facts:
        _print_ranks(facts)
    clips = counted(facts["num_clips"], "clip")
    if facts["num_groups"] != facts["num_clips"]:
        clips += f" from {counted(facts['num_groups'], 'group')}"
    if facts["accuracy_std"] is not None:
        clips = (
            f"{facts['num_predictions']} predictions of {clips}, {len(facts['seeds'])} seeds with "
            f"a standard deviation of {facts['accuracy_std']:.1%}"
        )
    print_line(
        f"Accuracy {facts['accuracy']:.1%} ({facts['num_correct']} of {clips}), interval "
        f"{format_interval(facts['accuracy_interval'], '.1%')}; log-loss {facts['loss']:.4f}; mean "
        f"of the folds {facts['mean_fold_accuracy']:.1%}"
    )


def exit_if_skipped(skipped: "Sequence[FailedFile]") -> None:
    """Exits with status 1 if files were skipped, and logs how many."""
    if skipped:
        logger.warning(f"skipped {counted(len(skipped), 'file')}; see the messages above")
        sys.exit(1)
