"""``earmark compare``: tests two models on the same data."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.addresses import InputPath
from earmark.cli.options import (
    DataSource,
    adjusted,
    computing,
    guarded,
    json_option,
    optional_data_argument,
    store_option,
)
from earmark.cli.printing import exit_if_skipped, print_comparison, read_test_data
from earmark.cli.terminal import print_json

if TYPE_CHECKING:
    from earmark.system.runtime import Runtime


@click.command()
@guarded
@click.argument("first", type=InputPath(), metavar="MODEL")
@click.argument("second", type=InputPath(), metavar="OTHER_MODEL")
@optional_data_argument
@store_option
@computing
@json_option
@adjusted
def compare(  # noqa: PLR0913 - one per option
    first: Path,
    second: Path,
    data: DataSource | None,
    store_root: Path | None,
    runtime: "Runtime",
    as_json: bool,
    settings: tuple[str, ...],
) -> None:
    """Compare two models on the same test split.

    Print whether the second one is better, with a test of significance. Without DATA the test split
    of its run folder is used.
    """
    from earmark.evaluation.compare import compare as compare_models

    found = compare_models(
        first,
        second,
        read_test_data(data, first, second) if data else None,
        device=runtime,
        store=store_root,
        settings=settings,
    )
    if not runtime.is_main:
        return
    if as_json:
        print_json(found.to_dict())
    else:
        print_comparison(found)
    exit_if_skipped(found.skipped)
