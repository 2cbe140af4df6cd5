"""The command that tests."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.options import (
    adjusted,
    computing,
    data_argument,
    guarded,
    json_option,
    model_argument,
    store_option,
)
from earmark.cli.printing import exit_if_skipped, print_evaluation, print_examination, read_data

if TYPE_CHECKING:
    from earmark.evaluation.analysis.analyze import Examination
    from earmark.evaluation.result import Evaluation
    from earmark.models.run_folder import RunFolder
    from earmark.system.runtime import Runtime


@click.command()
@guarded
@model_argument
@data_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for report.html, model_card.md and predictions.csv; the run folder by default.",
)
@click.option(
    "--robustness",
    is_flag=True,
    help="Also judge every clip under worse sound: telephone, codecs, level, noise, excerpts.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    help="Compare with a predictions.csv of another test of the same data.",
)
@store_option
@computing
@json_option
@adjusted
def evaluate(  # noqa: PLR0913 - one an option
    model: Path,
    data: Path,
    output: Path | None,
    baseline: Path | None,
    robustness: bool,
    as_json: bool,
    settings: tuple[str, ...],
    runtime: "Runtime",
    **options: Any,
) -> None:
    """Tests a model on the test split and writes the report."""
    from earmark.evaluation.analysis.analyze import examine
    from earmark.evaluation.baselines import read_predictions
    from earmark.evaluation.evaluate import evaluate as evaluate_model
    from earmark.models.checkpoint import load_checkpoint
    from earmark.models.run_folder import find_run
    from earmark.report.document import write_report
    from earmark.report.model import HELD_OUT, TEST_SPLIT, Origin

    found = find_run(model)
    run = found.path if found else None
    # Before the work, and before the report may replace it.
    stored = read_predictions(baseline) if baseline else None
    checkpoint = load_checkpoint(model).adjust(settings)
    manifest = read_data(data)
    if output:
        output.mkdir(parents=True, exist_ok=True)
    evaluation = evaluate_model(checkpoint, manifest, runtime=runtime, run=run, **options)
    if not runtime.is_main:
        return
    if stored:
        evaluation = evaluation.with_baseline(stored)
    examination = examine(
        evaluation, checkpoint, manifest, runtime=runtime, robustness=robustness, **options
    )
    file, folder = _find_place(model, output, found)
    report = None
    if folder:
        origin = Origin(file, str(data), TEST_SPLIT if manifest.has_splits else HELD_OUT, run)
        report = write_report(folder, evaluation, checkpoint, origin, examination)
    _show(evaluation, examination, report, as_json=as_json)
    exit_if_skipped(evaluation.skipped)


def _show(
    evaluation: "Evaluation", examination: "Examination", report: Path | None, *, as_json: bool
) -> None:
    """Prints a test and what stands behind it, for programs or for people."""
    if as_json:
        click.echo(json.dumps({**evaluation.to_dict(), **examination.to_dict()}))
        return
    print_evaluation(evaluation)
    print_examination(examination)
    click.echo(f"Report: {report.absolute()}" if report else "No report: give -o FOLDER")


def _find_place(
    model: Path, output: Path | None, found: "RunFolder | None"
) -> tuple[Path, Path | None]:
    """The file of a model, and the folder for its report, if there is one."""
    from earmark.models.run_folder import RunFolder

    file = RunFolder(model).best if model.is_dir() else model
    # The run folder's report is that of its model; other weights in it need a place of their own.
    return file, output or (found.path if found and file == found.best else None)
