"""What a benchmark ran on: printed above every table."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def describe_machine(*packages: str) -> str:
    """Date, commit, processor and versions, in one line.

    Args:
        packages: Distributions whose versions matter.
    """
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    ).stdout.strip()
    versions = ", ".join(f"{name} {version(name)}" for name in ("earmark", *packages))
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    return f"{day}, commit {commit}, {_processor()}, Python {platform.python_version()}, {versions}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [
        line.split(":", 1)[1].strip()
        for line in (info.read_text().splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{os.cpu_count()} x {name}"
