"""The command that cross-validates."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.embedder_options import embedded
from earmark.cli.options import (
    DataSource,
    computing,
    configured,
    data_argument,
    json_option,
    overwrite_option,
    resumable,
    seeded,
    store_option,
)
from earmark.cli.printing import exit_if_skipped, print_cross_validation
from earmark.cli.recipe_options import budget_option, recipe_option
from earmark.cli.terminal import print_json

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.system.runtime import Runtime

logger = logging.getLogger(__name__)


@click.command()
@resumable(kept_in="folder")
@data_argument
@click.option(
    "--folds",
    "num_folds",
    type=int,
    metavar="K",
    help="Folds to draw by group, 3 or more; by default those of the manifest, or 5.",
)
@click.option(
    "--seeds",
    "num_seeds",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Trainings per fold, each with another seed.",
)
@click.option(
    "--workers",
    "num_workers",
    type=click.IntRange(min=1),
    help="Parallel folds; by default one for each processor.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the results; an interrupted cross-validation in it is resumed.",
)
@click.option("--keep-models", is_flag=True, help="Keep the run folder of each fold.")
@overwrite_option
@store_option
@computing
@json_option
@seeded
@recipe_option
@budget_option
@configured
@embedded
def cross_validate(
    data: DataSource,
    as_json: bool,
    config: "Config",
    runtime: "Runtime",
    store_root: Path | None,
    **plan: Any,
) -> None:
    """Test each fold with a network trained on the others."""
    from earmark.system.numbers import counted
    from earmark.training.cross_validation.run import Plan
    from earmark.training.cross_validation.run import cross_validate as cross_validate_data

    found = cross_validate_data(data.read(), Plan(**plan), config, device=runtime, store=store_root)
    if as_json:
        print_json(found.to_dict())
    else:
        print_cross_validation(found)
    if found.failures:
        logger.warning(f"failed: {counted(len(found.failures), 'fold')}, named above")
    exit_if_skipped(found.skipped)
    if found.failures:
        sys.exit(1)
