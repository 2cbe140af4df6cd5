"""The command line: one command a verb, each in the module of its name."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from earmark._version import __version__
from earmark.cli.options import COMMAND_LINE

COMMANDS = (
    *("demo", "import", "manifest", "check", "prepare", "train", "tune", "cross-validate"),
    *("evaluate", "compare", "predict", "merge", "listen", "serve", "export"),
    *("embed", "search", "suggest", "review", "recipe", "model"),
)
"""In the order in which they are used."""
_MODULES = {"import": "import_labels"}
"""Of commands whose names are words of Python."""


class LazyGroup(click.Group):
    """Imports the module of a command when the command is asked for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keeps the command line, which an error may have to repeat."""
        ctx.meta[COMMAND_LINE] = tuple(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, if there is one."""
        if cmd_name not in COMMANDS:
            return None
        name = _MODULES.get(cmd_name, cmd_name.replace("-", "_"))
        return getattr(import_module(f"earmark.cli.{name}"), name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits with its status."""
    # Looking for plugins reads the metadata of every installed package; earmark uses none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Threads that wait sleep instead of spinning, or on a busy machine they would keep those that
    # they wait for from running. OpenMP reads this when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        sys.exit(cli.main(arguments, prog_name="earmark", standalone_mode=True))
    finally:
        # Or the interpreter would look for cycles before it exits, a tenth of a short command.
        gc.freeze()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="earmark")
def cli() -> None:
    """Train, test and run audio classifiers.

    DATA is a folder of labelled sound, DATA/LABEL/*.wav or
    DATA/{training,validation,testing}/LABEL/*.wav, or a CSV, JSON Lines or Parquet manifest with
    the columns path and label. If the file names hold the labels, give --label-from. MODEL is a
    run folder, a .safetensors file or, for predict, listen, serve and export, an .onnx file or the
    name of a model inside the package, such as speech-music.
    """
