"""Options that commands share, and what happens when a command fails."""

import contextlib
import functools
import io
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.addresses import InputPath, refuse_addresses
from earmark.errors import ConfigError, EarmarkError, needs_extra

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.system.progress import Reporter
    from earmark.system.shards import Shard

COMMAND_LINE = "earmark.command_line"
"""Where a Click context keeps the words of the command line."""
INTERRUPTED = 130
READER_GONE = 141
SAME_COMMAND = "the same command"

Function = Callable[..., None]


def guarded(function: Function) -> Function:
    """Adds --quiet and --debug; reports errors in one line, with an exit status."""
    return _guard(function, lambda _: "")


def resumable(how: str = SAME_COMMAND, *, kept_in: str = "") -> Callable[[Function], Function]:
    """`guarded` for a command that continues where it was interrupted.

    Args:
        how: What resumes it.
        kept_in: The parameter without which nothing is kept to resume from.
    """

    def hint(options: Mapping[str, object]) -> str:
        starts_again = options.get("overwrite") and how == SAME_COMMAND
        is_lost = starts_again or (kept_in and options[kept_in] is None)
        return "" if is_lost else f"; resume with {how}"

    return lambda function: _guard(function, hint)


def _guard(function: Function, hint: Callable[[Mapping[str, object]], str]) -> Function:
    """Wraps a command; `hint` tells from its parameters how to resume it."""

    @click.option("--quiet", is_flag=True, help="Show warnings only.")
    @click.option(
        "--debug",
        is_flag=True,
        help="Show the traceback of an error, and what decoders print about damaged files.",
    )
    @functools.wraps(function)
    def run(*args: object, quiet: bool, debug: bool, **options: object) -> None:
        from earmark.cli.native_output import hide_native_output
        from earmark.cli.terminal import TerminalReporter, print_line
        from earmark.system.files import require_utf8_names
        from earmark.system.memory import keep_freed_memory

        _open_streams()
        if not debug:
            hide_native_output()
        reporter = TerminalReporter(quiet=quiet)
        verb = click.get_current_context().command_path.partition(" ")[2]
        try:
            with reporter.show_messages(), needs_extra(verb):
                require_utf8_names()
                refuse_addresses(options)
                keep_freed_memory()
                function(*args, reporter=reporter, **options)
        except KeyboardInterrupt:
            print_line(f"earmark: interrupted{hint(options)}", err=True)
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            _drop_output()
            sys.exit(READER_GONE)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - a bug, too, is one line; --debug shows it
            if debug:
                traceback.print_exc()
            _print_error(error)
            sys.exit(error.exit_status if isinstance(error, EarmarkError) else 1)

    return run


def _print_error(error: Exception) -> None:
    from earmark.cli.terminal import print_line, printable

    print_line(f"earmark: {_describe(error)}", err=True)
    if options_that_work := getattr(error, "options", ""):
        # On one line, so that it can be copied.
        click.echo(f"earmark: try: {printable(_command_line())} {options_that_work}", err=True)


def _command_line() -> str:
    """The running command as it was typed."""
    from earmark.data.names.patterns import quote
    from earmark.system.remote.urls import shown

    words = click.get_current_context().meta.get(COMMAND_LINE, ())
    return " ".join(("earmark", *map(quote, map(shown, words))))


def _open_streams() -> None:
    """Makes the standard streams usable.

    Those that the parent process has closed lead nowhere, and the output takes file names that do
    not fit its encoding or are no text at all.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open to the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Discards what is still buffered, so that the interpreter exits without an error."""
    with contextlib.suppress(OSError), Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _describe(error: Exception) -> str:
    """One line that says what failed."""
    from earmark.cli.terminal import printable

    text = str(error)
    if isinstance(error, EarmarkError):
        severity = "error"
    elif isinstance(error, OSError):
        reason = error.strerror or text
        if isinstance(error, FileExistsError | NotADirectoryError):
            reason = "is not a folder; choose another folder"
        severity, text = "error", f"{error.filename}: {reason}" if error.filename else reason
    elif isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        severity, text = "error", "out of memory; lower train.batch_size or train.crop_seconds"
    else:
        severity = "internal error"
        text = f"{type(error).__name__}: {text}; run again with --debug and report it"
    # Files and models may bring control characters into a message.
    return f"{severity}: {printable(' '.join(text.split()))}"


_set = click.option(
    "--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE", help="One setting, as in TOML."
)


def configured(function: Function) -> Function:
    """Adds --config and --set, and passes on the configuration that they make."""

    @click.option(
        "--config", "config_file", type=click.Path(path_type=Path), help="TOML file of settings."
    )
    @_set
    @functools.wraps(function)
    def run(
        *args: object, config_file: Path | None, settings: tuple[str, ...], **options: object
    ) -> None:
        from earmark.config import load_config

        function(*args, config=load_config(config_file, settings), **options)

    return run


def decoding(module: str) -> Callable[[Function], Function]:
    """Starts what a command decodes with, while this process imports what it needs itself.

    Args:
        module: What its worker processes run.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def run(*args: object, **options: object) -> None:
            from earmark.system.workers.fork_server import start_early

            start_early(module)
            function(*args, **options)

        return run

    return decorate


def given(name: str) -> bool:
    """Whether an option of the running command has a value."""
    return bool(click.get_current_context().params[name])


def seeded(function: Function) -> Function:
    """Adds --seed to the options of `configured`."""

    @click.option("--seed", type=int, help="Short for --set train.seed=N.")
    @functools.wraps(function)
    def run(
        *args: object, seed: int | None, settings: tuple[str, ...] = (), **options: object
    ) -> None:
        seeds = () if seed is None else (f"train.seed={seed}",)
        function(*args, settings=(*settings, *seeds), **options)

    return run


def adjusted(function: Function) -> Function:
    """Adds --set for the settings that may change after training, and passes them on."""
    return _set(function)


device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|mps",
    help="Where to compute.",
)


def computing(function: Function) -> Function:
    """Adds --device, and passes on the runtime, which carries the reporter."""

    @device_option
    @functools.wraps(function)
    def run(*args: object, device: str, reporter: "Reporter", **options: object) -> None:
        from earmark.system.progress import muted
        from earmark.system.runtime import start

        with start(device, reporter) as runtime, nullcontext() if runtime.is_main else muted():
            function(*args, runtime=runtime, **options)

    return run


@dataclass(frozen=True)
class DataSource:
    """DATA, and how the names of its files are read.

    Args:
        path: The folder or manifest.
        naming: The patterns that were given, by their names in `read_manifest`.
    """

    path: Path
    naming: Mapping[str, str]

    def __str__(self) -> str:
        """The words of a command line."""
        from earmark.data.names.naming import Naming
        from earmark.data.names.patterns import quote

        words = (quote(str(self.path)), str(Naming(**self.naming)))
        return " ".join(word for word in words if word)

    def read(self) -> "Manifest":
        """Reads the data set."""
        from earmark.data.manifest import read_manifest

        return read_manifest(self.path, **self.naming)


def data_argument(function: Function) -> Function:
    """Adds DATA, --label-from and --group-from, and passes on the data source that they make."""
    return _take_data(function, required=True)


def optional_data_argument(function: Function) -> Function:
    """`data_argument` that passes on None without DATA."""
    return _take_data(function, required=False)


def _take_data(function: Function, *, required: bool) -> Function:
    @click.argument("data", required=required, type=InputPath())
    @click.option(
        "--label-from",
        metavar="PATTERN",
        help='Pattern to read labels from file names, such as "{label}_*" or "*-{label}.wav".',
    )
    @click.option(
        "--group-from",
        metavar="PATTERN",
        help='Pattern to read groups (speakers, pieces) from file names, such as "{speaker}_*".',
    )
    @functools.wraps(function)
    def run(
        *args: object,
        data: Path | None,
        label_from: str | None,
        group_from: str | None,
        **options: object,
    ) -> None:
        given = {"label_from": label_from, "group_from": group_from}
        naming = {key: value for key, value in given.items() if value is not None}
        source = None if data is None else DataSource(data, naming)
        function(*args, data=source, **options)

    return run


model_argument = click.argument("model", type=InputPath())
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Delete the results in the folder and start again."
)


def store_option_for(purpose: str = "") -> Callable[[Function], Function]:
    """The option for another feature store; its help says when it is used, if not always."""
    text = f"Feature store{purpose}; a shared folder by default."
    return click.option("--store", "store_root", type=click.Path(path_type=Path), help=text)


store_option = store_option_for()


def _parse_shard(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> "Shard | None":
    from earmark.system.shards import Shard

    if text is None:
        return None
    try:
        return Shard.parse(text)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


shard_option = click.option(
    "--shard",
    metavar="I/N",
    callback=_parse_shard,
    help="Only the files of the I-th of N shards, from 1/N to N/N.",
)
