"""What a benchmark ran on, printed above every table, and what all of them measure with."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any


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


def fastest_seconds(work: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest of some rounds of work."""
    times = []
    for _ in range(rounds):
        started_at = time.perf_counter()
        work()
        times.append(time.perf_counter() - started_at)
    return min(times)


def run_earmark(*arguments: object) -> dict[str, Any]:
    """What a command of earmark's prints as JSON, in a process of its own.

    Args:
        arguments: The command and what it is given.
    """
    command = [sys.executable, "-m", "earmark", *map(str, arguments), "--json", "--quiet"]
    result = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(result.stdout)


@contextmanager
def busy_processes(number: int) -> Iterator[None]:
    """Other processes that count for as long as the context lasts.

    Args:
        number: How many.
    """
    count = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(count) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def peak_megabytes() -> float:
    """The most memory that this process has held, since `reset_peak` on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def reset_peak() -> None:
    """Makes `peak_megabytes` forget what was held before, where the system can."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5", encoding="ascii")


def memory_megabytes() -> float:
    """The memory that this process holds; its peak where the system does not tell."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return peak_megabytes()
    pages = int(status.read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [
        line.split(":", 1)[1].strip()
        for line in (info.read_text(encoding="utf-8").splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{os.cpu_count()} x {name}"
