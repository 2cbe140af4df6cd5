"""``earmark check``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import (
    DataSource,
    configured,
    data_argument,
    decoding,
    json_option,
    resumable,
    store_option,
)
from earmark.cli.printing import print_json, read_data

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.system.progress import Reporter


@click.command()
@resumable()
@data_argument
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option(
    "-o", "--output", "page", type=click.Path(path_type=Path), help="Also write an HTML page."
)
@store_option
@json_option
@decoding("earmark.audit.measure")
@configured
def check(  # noqa: PLR0913 - one per option
    data: DataSource,
    config: "Config",
    strict: bool,
    as_json: bool,
    page: Path | None,
    store_root: Path | None,
    reporter: "Reporter",
) -> None:
    """Audit a data set: faulty files, duplicates, leaks between splits, balance, shortcuts."""
    from earmark.audit.audit import check as audit_data
    from earmark.cli.terminal import print_line
    from earmark.errors import ConfigError
    from earmark.report.audit import write_audit

    if page and page.is_dir():
        raise ConfigError(f"{page} is a folder; give a file for the page, such as check.html")
    manifest = read_data(data)
    audit = audit_data(manifest, config, store=store_root, reporter=reporter)
    if page:
        write_audit(page, audit, str(data.path))
    if as_json:
        print_json(audit.to_dict())
    else:
        for finding in audit.by_severity:
            print_line(str(finding))
        print_line(f"{audit.headline} ({manifest.summary()})")
    if audit.num_errors or (strict and audit.findings):
        sys.exit(1)
