"""The web page beside Python on the same files: times real time, memory, and the same labels.

``python benchmarks/web_page.py path/to/recordings --runtime node_modules --seconds 600 3600``

It needs Chromium, and Python's ``playwright`` to drive it.
"""

import argparse
import contextlib
import functools
import http.server
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import soundfile

from earmark.exporters.targets import export
from earmark.inference.classifier import load_model
from long_file import write_sound
from machine import describe_machine

FORMATS = ("wav", "mp3", "ogg", "flac")
TIMEOUT_MS = 3_600_000


def main() -> None:
    """Prints a row for each format and length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sounds", type=Path, help="folder of recordings that are joined")
    parser.add_argument("--model", default="speech-music")
    parser.add_argument("--runtime", type=Path)
    parser.add_argument("--seconds", type=int, nargs="+", default=[600])
    parser.add_argument("--formats", nargs="+", default=["wav"], choices=FORMATS)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    print(describe_machine("onnxruntime", "soundfile", "soxr", "numpy"))
    print("\nTimes real time, by the clock and by the time of processors, which other work on the")
    print("machine changes less; MB: the most that the process of the page has held, and before\n")
    print(
        "| file | Python | page | Python, processor | page, processor | MB | before | difference |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        page, given = Path(folder) / "page", {"runtime": arguments.runtime}
        options: Any = {key: value for key, value in given.items() if value}
        export(arguments.model, page, to="web", **options)
        for seconds in arguments.seconds:
            flac = Path(folder) / "long.flac"
            write_sound(arguments.sounds, flac, seconds)
            for suffix in arguments.formats:
                path = convert(flac, suffix)
                print(measure(arguments, page, path, seconds), flush=True)


def convert(path: Path, suffix: str) -> Path:
    """The same sound in another format, written block by block."""
    if suffix == "flac":
        return path
    target = path.with_suffix(f".{suffix}")
    with soundfile.SoundFile(path) as sound:
        rate, channels = sound.samplerate, sound.channels
        with soundfile.SoundFile(target, "w", rate, channels) as file:
            for block in sound.blocks(rate * 10):
                file.write(block)
    return target


def measure(arguments: argparse.Namespace, page: Path, path: Path, seconds: int) -> str:
    """A row of the table: Python first, then the page in a browser of its own."""
    classifier = load_model(arguments.model)
    started, processor = time.perf_counter(), time.process_time()
    expected = classifier.predict(path, segments=True)
    times = [time.perf_counter() - started]
    processor = time.process_time() - processor
    with serve(page) as address, open_page(address, arguments.chromium) as tab:
        before, started = renderer(), time.perf_counter()
        tab.set_input_files("#files", path)
        tab.get_by_text("All done").wait_for(timeout=TIMEOUT_MS)
        times += [time.perf_counter() - started, processor]
        after = renderer()
        with tab.expect_download() as waiting:
            tab.get_by_role("button", name="Results as CSV").click()
        row = waiting.value.path().read_text("utf-8").splitlines()[1].split(",")
    found = map(float, row[4 : 4 + len(expected.probabilities)])
    values = zip(found, expected.probabilities.values(), strict=True)
    difference = max(abs(one - other) for one, other in values)
    times.append(after.processor_seconds - before.processor_seconds)
    factors = " | ".join(f"{seconds / one:,.0f}" for one in times)
    return (
        f"| {path.suffix[1:]}, {seconds / 60:g} min | {factors} | {after.megabytes:,.0f} | "
        f"{before.megabytes:,.0f} | {difference:.1e} |"
    )


class Renderer(NamedTuple):
    """What the processes of pages have used so far: time of all, memory of the largest."""

    processor_seconds: float
    megabytes: float


def renderer() -> Renderer:
    """Reads it from the system; no other browser may run."""
    ticks, peaks = 0, [0.0]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"--type=renderer" not in (process / "cmdline").read_bytes():
                continue
            lines = (process / "status").read_text("utf-8").splitlines()
            (peak,) = (one.split()[1] for one in lines if one.startswith("VmHWM"))
            peaks.append(int(peak) / 1024)
            fields = (process / "stat").read_text("utf-8").rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return Renderer(ticks / os.sysconf("SC_CLK_TCK"), max(peaks))


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Stays quiet."""


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serves a folder from this machine; yields its address."""
    handler = functools.partial(_Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


@contextlib.contextmanager
def open_page(address: str, chromium: str) -> Iterator[Any]:
    """Opens the page in a browser of its own, ready for files."""
    sync_playwright = import_module("playwright.sync_api").sync_playwright
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(address)
        tab.locator("html[data-ready]").wait_for(state="attached")
        yield tab
        browser.close()


if __name__ == "__main__":
    main()
