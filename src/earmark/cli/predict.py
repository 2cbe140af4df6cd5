"""The command that labels new files."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import adjusted, computing, guarded, json_option, model_argument
from earmark.cli.output import PREDICTION_COLUMNS, prediction_rows

if TYPE_CHECKING:
    from earmark.runtime import Runtime


@click.command()
@guarded
@model_argument
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@computing
@json_option
@adjusted
def predict(
    model: Path,
    paths: tuple[Path, ...],
    as_json: bool,
    settings: tuple[str, ...],
    runtime: "Runtime",
) -> None:
    """Labels new files and the sound files below folders."""
    from earmark.prediction import Classifier, Failure, find_audio
    from earmark.terminal import print_table

    if not runtime.is_main:
        return
    classifier = Classifier.load(model, device=runtime.device.type, settings=settings)
    reporter = runtime.reporter
    files = find_audio(paths)
    results = []
    with reporter.track("predict", len(files)) as task:
        for result in classifier.predict_many(files):
            task.advance(note=result.path.name)
            if isinstance(result, Failure):
                reporter.warn(f"skipped: {result.error}")
            if as_json:
                click.echo(json.dumps(result.to_dict()))
            results.append(result)
    if not as_json:
        print_table("", PREDICTION_COLUMNS, prediction_rows(results))
    if not files or any(isinstance(result, Failure) for result in results):
        reporter.warn("no sound files found" if not files else "some files could not be judged")
        sys.exit(1)
