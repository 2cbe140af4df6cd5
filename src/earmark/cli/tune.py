"""The command that searches settings."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import (
    DataSource,
    computing,
    configured,
    data_argument,
    json_option,
    resumable,
    seeded,
    store_option,
)
from earmark.cli.recipe_options import budget_option, recipe_option
from earmark.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.system.runtime import Runtime


@click.command()
@resumable()
@data_argument
@click.option(
    "-o",
    "--output",
    "study",
    type=click.Path(path_type=Path),
    required=True,
    help="Study folder; a study in it is resumed.",
)
@click.option("--trials", type=int, help="Short for --set tune.trials=N.")
@click.option(
    "--workers",
    "num_workers",
    type=click.IntRange(min=1),
    help="Parallel trials; by default one for each processor.",
)
@click.option(
    "--storage",
    metavar="URL",
    envvar="EARMARK_STORAGE",
    help="PostgreSQL database that keeps the trials, to share the study among machines without a "
    "shared disk; a journal in STUDY by default. Also read from EARMARK_STORAGE.",
)
@store_option
@computing
@json_option
@seeded
@recipe_option
@budget_option
@configured
def tune(  # noqa: PLR0913 - as many as the command has options
    data: DataSource,
    study: Path,
    trials: int | None,
    num_workers: int | None,
    storage: str | None,
    store_root: Path | None,
    as_json: bool,
    config: "Config",
    runtime: "Runtime",
) -> None:
    """Search settings by their score on the validation split.

    More trials make the best validation score more optimistic; trust the test score.
    """
    from earmark.cli.terminal import print_table, printable
    from earmark.config import override
    from earmark.data.names.patterns import quote
    from earmark.training.tuning.search import tune as search

    if trials is not None:
        config = override(config, [f"tune.trials={trials}"])
    result = search(
        *(data.read(), study, config),
        device=runtime,
        store=store_root,
        num_workers=num_workers,
        storage=storage,
    )
    if as_json:
        print_json(result.to_dict())
        return
    print_table("", ("setting", "best"), result.best.rows())
    print_line(result.summary())
    # On one line, so that it can be copied.
    click.echo(printable(f"Train it: earmark train {data} -o RUN --from-study {quote(str(study))}"))
