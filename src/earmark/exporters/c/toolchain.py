"""Compilers: of this machine, to check an export, and for a board, to measure it."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import ConfigError, ExportError
from earmark.exporters.c.text import read_template, render

COMPILERS = ("cc", "gcc", "clang")
BOARD = "arm-none-eabi-"
BOARD_NAME = "Cortex-M4F"
BOARD_FLAGS = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
FLAGS = ("-std=c99", "-O2")
_LINKED = ("--specs=nosys.specs", "-nostartfiles", "-Wl,-e,main", "-Wl,--gc-sections")
_SECONDS = 600.0
CHECK, LEAST = "check-model.c", "least-model.c"
"""Programs beside a model, which can have neither name: it has no hyphen."""


@dataclass(frozen=True)
class Flash:
    """Read-only memory of a model.

    Args:
        num_bytes: Code and tables.
        processor: That they were compiled for.
    """

    num_bytes: int
    processor: str


def find_compiler() -> str:
    """The C compiler of this machine: the one that ``CC`` names, or one of `COMPILERS`.

    Raises:
        ConfigError: There is none.
    """
    names = (os.environ.get("CC", ""), *COMPILERS)
    found = next((name for name in names if name and shutil.which(name)), None)
    if found is None:
        raise ConfigError(
            f"--to c: no C compiler ({', '.join(COMPILERS)} or $CC) to check the code with; "
            "install one, or leave the check out with --no-verify"
        )
    return found


def run_tool(command: Sequence[str], folder: Path) -> str:
    """Runs a program of the toolchain, or one that it has made; returns what it prints.

    Raises:
        ExportError: It fails.
    """
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExportError(f"--to c: {command[0]} cannot be run: {error}") from None
    if done.returncode:
        raise ExportError(
            f"--to c: {command[0]} failed: {' '.join(done.stderr.split())[:500]}; report it"
        )
    return done.stdout


def compile_check(folder: Path, name: str) -> Path:
    """Compiles the program that `earmark.exporters.c.parity` runs.

    Args:
        folder: Where header and source are; the program is written there.
        name: Of the model.
    """
    (folder / CHECK).write_text(render(read_template("check.c"), (), {"name": name}, name))
    warnings = ("-Wall", "-Wextra", "-pedantic")
    sources = (CHECK, f"{name}.c")
    run_tool([find_compiler(), *FLAGS, *warnings, "-o", "check", *sources, "-lm"], folder)
    return folder / "check"


def measure_flash(folder: Path, name: str) -> Flash | None:
    """Code and tables of a model, with what it needs of the C library.

    Args:
        folder: Where header and source are.
        name: Of the model.

    Returns:
        For a Cortex-M4F if its compiler is there, else for this machine without the library; None
        without a compiler.
    """
    if shutil.which(f"{BOARD}gcc") and shutil.which(f"{BOARD}size"):
        (folder / LEAST).write_text(render(read_template("least.c"), (), {"name": name}, name))
        command = [f"{BOARD}gcc", *FLAGS, *BOARD_FLAGS, "-ffunction-sections", *_LINKED]
        try:
            run_tool([*command, "-o", "least", LEAST, f"{name}.c", "-lm"], folder)
            return Flash(_text_bytes(f"{BOARD}size", "least", folder), BOARD_NAME)
        except ExportError:
            # A compiler without a C library.
            pass
    if not shutil.which("size"):
        return None
    try:
        run_tool([find_compiler(), *FLAGS, "-c", "-o", "model.o", f"{name}.c"], folder)
    except ConfigError:
        return None
    return Flash(_text_bytes("size", "model.o", folder), "this machine, without the C library")


def _text_bytes(tool: str, file: str, folder: Path) -> int:
    """Code, constants and initial values, as ``size`` prints them."""
    text, data, *_ = run_tool([tool, file], folder).splitlines()[1].split()
    return int(text) + int(data)
