"""Options that commands share, and what happens when a command fails."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.errors import EarmarkError

if TYPE_CHECKING:
    from earmark.progress import Reporter

INTERRUPTED = 130

Function = Callable[..., Any]


def guarded(function: Function) -> Function:
    """Adds --quiet and --debug; turns errors into one line and an exit status."""

    @click.option("--quiet", is_flag=True, help="Show warnings only.")
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @functools.wraps(function)
    def run(*args: Any, quiet: bool, debug: bool, **options: Any) -> None:
        from earmark.terminal import TerminalReporter

        try:
            function(*args, reporter=TerminalReporter(quiet=quiet), **options)
        except KeyboardInterrupt:
            click.echo("earmark: interrupted; the same command goes on from here", err=True)
            sys.exit(INTERRUPTED)
        except EarmarkError as error:
            if debug:
                raise
            click.echo(f"earmark: error: {error}", err=True)
            sys.exit(error.exit_status)
        except OSError as error:
            if debug:
                raise
            click.echo(f"earmark: error: {error}", err=True)
            sys.exit(1)

    return run


def configured(function: Function) -> Function:
    """Adds --config, --set and --seed, and hands over the configuration that they make."""

    @click.option(
        "--config", "config_file", type=click.Path(path_type=Path), help="Settings in TOML."
    )
    @click.option(
        "--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE", help="One setting."
    )
    @click.option("--seed", type=int, help="Short for --set train.seed=N.")
    @functools.wraps(function)
    def run(
        *args: Any,
        config_file: Path | None,
        settings: tuple[str, ...],
        seed: int | None,
        **options: Any,
    ) -> None:
        from earmark.config import load_config

        seeds = () if seed is None else (f"train.seed={seed}",)
        function(*args, config=load_config(config_file, (*settings, *seeds)), **options)

    return run


def computing(function: Function) -> Function:
    """Adds --device and hands over the runtime, which speaks through the reporter."""

    @click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="auto|cpu|cuda|mps",
        help="Where to compute.",
    )
    @functools.wraps(function)
    def run(*args: Any, device: str, reporter: "Reporter", **options: Any) -> None:
        from earmark.runtime import start

        with start(device, reporter) as runtime:
            function(*args, runtime=runtime, **options)

    return run


data_argument = click.argument("data", type=click.Path(path_type=Path))
model_argument = click.argument("model", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
store_option = click.option(
    "--store", "store_root", type=click.Path(path_type=Path), help="Folder of the feature store."
)
