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
from earmark.cli.printing import print_audit, read_data
from earmark.cli.terminal import print_json

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
@click.option(
    "--cross-validation",
    type=click.Path(path_type=Path),
    metavar="CV",
    help="Folder of earmark cross-validate -o, to find labels that are probably wrong.",
)
@store_option
@json_option
@decoding("earmark.data.signals.measure")
@configured
def check(  # noqa: PLR0913 - one per option
    data: DataSource,
    config: "Config",
    strict: bool,
    as_json: bool,
    page: Path | None,
    cross_validation: Path | None,
    store_root: Path | None,
    reporter: "Reporter",
) -> None:
    """Audit a data set.

    Find faulty files, duplicates, leaks between splits, imbalance and shortcuts; with
    --cross-validation also labels that are probably wrong.
    """
    from earmark.audit.audit import check as audit_data
    from earmark.errors import ConfigError
    from earmark.report.audit import write_audit

    if page and (page.is_dir() or page.suffix.lower() not in (".html", ".htm")):
        what = "a folder" if page.is_dir() else "not the name of an HTML page"
        raise ConfigError(f"{page}: {what}; give a file for the page, such as check.html")
    manifest = read_data(data)
    audit = audit_data(
        manifest,
        config,
        cross_validation=cross_validation,
        store=store_root,
        reporter=reporter,
    )
    if page:
        write_audit(page, audit, str(data.path), manifest)
    if as_json:
        print_json(audit.to_dict())
    else:
        print_audit(audit, manifest.summary())
    if audit.num_errors or (strict and audit.findings):
        sys.exit(1)
