"""The command that writes how a data set is understood."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import DataSource, data_argument, guarded
from earmark.cli.printing import read_data
from earmark.cli.terminal import print_line

if TYPE_CHECKING:
    from earmark.system.progress import Reporter


@click.command()
@guarded
@data_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="CSV file to write; standard output by default.",
)
def manifest(data: DataSource, output: Path | None, reporter: "Reporter") -> None:
    """Write a CSV manifest of a data set.

    It lists the files with their labels, splits, groups and excerpts; paths are relative to its
    folder. Edit it, and give it in place of DATA.
    """
    from earmark.data.writing import manifest_table
    from earmark.errors import ConfigError
    from earmark.system.files import read_text

    found = read_data(data)
    if output is None:
        click.echo(manifest_table(found.recordings, Path()), nl=False)
        return
    table = manifest_table(found.recordings, output.parent)
    if output.exists() and (output.is_dir() or read_text(output) != table):
        raise ConfigError(f"{output}: exists; choose another name, or delete it first")
    found.write(output)
    print_line(f"{output}: {len(found)} recordings ({found.summary()})")
