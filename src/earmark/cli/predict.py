"""The command that labels new files."""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import adjusted, guarded, json_option, judging, model_argument
from earmark.cli.output import PREDICTION_COLUMNS, prediction_row

if TYPE_CHECKING:
    from earmark.prediction import Failure, Prediction
    from earmark.progress import Reporter

TABLE_ROWS = 100
"""Most files that are shown as one table; the lines of more are shown as they come."""


@click.command()
@guarded
@model_argument
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@judging
@json_option
@adjusted
def predict(
    model: Path,
    paths: tuple[Path, ...],
    as_json: bool,
    settings: tuple[str, ...],
    device: str,
    reporter: "Reporter",
) -> None:
    """Labels new files and the sound files below folders."""
    from earmark.prediction import Classifier, Failure, Prediction, find_audio
    from earmark.progress import SILENT
    from earmark.terminal import print_table

    classifier = Classifier.load(model, device=device, settings=settings)
    files = find_audio(paths)
    on_terminal = sys.stdout.isatty()
    as_table = on_terminal and not as_json and len(files) <= TABLE_ROWS
    # Lines on a terminal would run into a bar there, and they show how far the work is.
    bars = SILENT if on_terminal and not as_table else reporter
    results: list[Prediction | Failure] = []
    show = results.append if as_table else _line_printer(as_json=as_json)
    num_failed = 0
    with bars.track("predict", len(files)) as task:
        for result in classifier.predict_many(files):
            task.advance(note=result.path.name)
            if isinstance(result, Failure):
                num_failed += 1
                reporter.warn(f"skipped: {result.error}")
            show(result)
    if as_table:
        print_table("", PREDICTION_COLUMNS, map(prediction_row, results))
    if not files or num_failed:
        reporter.warn(
            f"{num_failed} files could not be judged" if files else "no sound files found"
        )
        sys.exit(1)


def _line_printer(*, as_json: bool) -> "Callable[[Prediction | Failure], None]":
    """What prints a line a file: JSON, or cells between tabs below their headings."""
    from earmark.terminal import printable

    def print_cells(cells: Iterable[str]) -> None:
        click.echo("\t".join(map(printable, cells)))

    if as_json:
        return lambda result: click.echo(json.dumps(result.to_dict()))
    print_cells(PREDICTION_COLUMNS)
    return lambda result: print_cells(prediction_row(result))
