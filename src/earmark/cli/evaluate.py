"""``earmark evaluate``: tests a model."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import (
    DataSource,
    adjusted,
    computing,
    data_argument,
    guarded,
    json_option,
    model_argument,
    store_option,
)
from earmark.cli.printing import (
    exit_if_skipped,
    print_analysis,
    print_evaluation,
    read_test_data,
)
from earmark.cli.terminal import print_json, print_line

if TYPE_CHECKING:
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
    help="Also test on degraded sound: telephone, codecs, level, noise, short excerpts.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    help="Compare with the predictions.csv of another test of the same data.",
)
@store_option
@computing
@json_option
@adjusted
def evaluate(  # noqa: PLR0913 - one per option
    model: Path,
    data: DataSource,
    output: Path | None,
    robustness: bool,
    baseline: Path | None,
    store_root: Path | None,
    runtime: "Runtime",
    as_json: bool,
    settings: tuple[str, ...],
) -> None:
    """Test a model on the test split and write the report."""
    from earmark.report.evaluate import Extras
    from earmark.report.evaluate import evaluate as evaluate_model

    found = evaluate_model(
        model,
        read_test_data(data, model),
        output=output,
        extras=Extras(robustness, baseline),
        device=runtime,
        store=store_root,
        settings=settings,
    )
    if found.analysis is None:
        return
    if as_json:
        print_json(found.to_dict())
    else:
        print_evaluation(found.evaluation)
        print_analysis(found.analysis)
        place = found.report.absolute() if found.report else None
        print_line(f"Report: {place}" if place else "No report: give -o FOLDER")
    exit_if_skipped(found.evaluation.skipped)
