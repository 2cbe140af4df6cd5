"""``earmark demo``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import (
    computing,
    configured,
    overwrite_option,
    resumable,
    seeded,
    store_option,
)
from earmark.cli.printing import PREDICTION_COLUMNS, prediction_row
from earmark.cli.recipe_options import recipe_option
from earmark.cli.terminal import print_line

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.system.runtime import Runtime


@click.command()
@resumable()
@click.option(
    "-o",
    "--output",
    "run",
    type=click.Path(path_type=Path),
    default=Path("earmark-demo"),
    show_default=True,
    help="Run folder.",
)
@overwrite_option
@store_option
@computing
@seeded
@recipe_option
@configured
def demo(
    run: Path, config: "Config", runtime: "Runtime", store_root: Path | None, overwrite: bool
) -> None:
    """Run all steps on the data inside the package."""
    from earmark.cli.terminal import print_table
    from earmark.demo import demonstrate

    shown = demonstrate(run, config, runtime=runtime, store=store_root, overwrite=overwrite)
    if shown is None:
        return
    print_table("", PREDICTION_COLUMNS, map(prediction_row, shown.predictions))
    print_line(shown.evaluation.headline)
    print_line(f"Report: {shown.report.absolute()}")
