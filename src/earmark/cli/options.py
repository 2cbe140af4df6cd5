"""Options that commands share, and what happens when a command fails."""

import contextlib
import functools
import io
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.errors import EarmarkError

if TYPE_CHECKING:
    from earmark.system.progress import Reporter

INTERRUPTED = 130
READER_GONE = 141
RESUMABLE = ("check", "cross_validate", "demo", "prepare", "train", "tune")

Function = Callable[..., Any]


def guarded(function: Function) -> Function:
    """Adds --quiet and --debug; turns errors into one line and an exit status."""

    @click.option("--quiet", is_flag=True, help="Show warnings only.")
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @functools.wraps(function)
    def run(*args: Any, quiet: bool, debug: bool, **options: Any) -> None:
        from earmark.cli.terminal import TerminalReporter

        _open_streams()
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Names of files need not fit the encoding of the output, nor be text at all.
            sys.stdout.reconfigure(errors="backslashreplace")
        reporter = TerminalReporter(quiet=quiet)
        try:
            with reporter.show_messages():
                function(*args, reporter=reporter, **options)
        except KeyboardInterrupt:
            resumable = (
                function.__name__ in RESUMABLE
                and not options.get("overwrite")
                # Without a folder nothing is kept to go on from.
                and options.get("folder", True) is not None
            )
            how = "; the same command goes on from here" if resumable else ""
            if function.__name__ == "predict" and options.get("output"):
                how = "; the same command goes on from here with --resume"
            click.echo(f"earmark: interrupted{how}", err=True)
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            _drop_output()
            sys.exit(READER_GONE)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - a bug, too, is one line; --debug shows it
            if debug:
                traceback.print_exc()
            click.echo(f"earmark: {_describe(error)}", err=True)
            sys.exit(error.exit_status if isinstance(error, EarmarkError) else 1)

    return run


def _open_streams() -> None:
    """Standard streams that lead nowhere, in place of those that whoever started us has closed."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - open to the end


def _drop_output() -> None:
    """Lets what is still buffered go nowhere, so that the interpreter ends without complaint."""
    with contextlib.suppress(OSError), Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _describe(error: Exception) -> str:
    """One line that says what failed."""
    text = str(error)
    if isinstance(error, EarmarkError):
        kind = "error"
    elif isinstance(error, OSError):
        reason = error.strerror or text
        if isinstance(error, FileExistsError | NotADirectoryError):
            reason = "is not a folder; choose another folder"
        kind, text = "error", f"{error.filename}: {reason}" if error.filename else reason
    elif isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        kind, text = "error", "out of memory; lower train.batch_size or train.crop_seconds"
    else:
        kind = "internal error"
        text = f"{type(error).__name__}: {text}; run again with --debug and report it"
    return f"{kind}: {' '.join(text.split())}"


_config = click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="Settings in TOML."
)
_set = click.option(
    "--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE", help="One setting."
)


def configured(function: Function) -> Function:
    """Adds --config and --set, and hands over the configuration that they make."""

    @_config
    @_set
    @functools.wraps(function)
    def run(
        *args: Any, config_file: Path | None, settings: tuple[str, ...], **options: Any
    ) -> None:
        from earmark.config import load_config

        function(*args, config=load_config(config_file, settings), **options)

    return run


def given(name: str) -> bool:
    """Whether an option of the running command has a value."""
    return bool(click.get_current_context().params[name])


def seeded(function: Function) -> Function:
    """Adds --seed to the options of `configured`."""

    @click.option("--seed", type=int, help="Short for --set train.seed=N.")
    @functools.wraps(function)
    def run(*args: Any, seed: int | None, settings: tuple[str, ...] = (), **options: Any) -> None:
        seeds = () if seed is None else (f"train.seed={seed}",)
        function(*args, settings=(*settings, *seeds), **options)

    return run


def adjusted(function: Function) -> Function:
    """Adds --set for what may change after training, and hands over the settings."""
    return _set(function)


_device = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|mps",
    help="Where to compute.",
)


def judging(function: Function) -> Function:
    """Adds --device for a model that is only used, and hands it over; PyTorch may not be needed."""

    @_device
    @functools.wraps(function)
    def run(*args: Any, **options: Any) -> None:
        from earmark.system.memory import keep_freed_memory

        keep_freed_memory()
        function(*args, **options)

    return run


def computing(function: Function) -> Function:
    """Adds --device and hands over the runtime, which speaks through the reporter."""

    @_device
    @functools.wraps(function)
    def run(*args: Any, device: str, reporter: "Reporter", **options: Any) -> None:
        from earmark.system.progress import muted
        from earmark.system.runtime import start

        with start(device, reporter) as runtime, nullcontext() if runtime.is_main else muted():
            function(*args, runtime=runtime, **options)

    return run


data_argument = click.argument("data", type=click.Path(path_type=Path))
model_argument = click.argument("model", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Start again, whatever the folder holds."
)
store_option = click.option(
    "--store", "store_root", type=click.Path(path_type=Path), help="Folder of the feature store."
)
