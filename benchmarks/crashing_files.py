"""Files that crash their decoder among many, and what the protection against them costs.

``python benchmarks/crashing_files.py path/to/music_speech_subset --before path/to/older/src``

First part: 1,000 clips of 1 s, of which 20 crash the decoder, through `prepare`, `check`, `predict`
and `predict --resume`. All others must be processed and the 20 named. The decoder is soundfile's,
made to crash for some file names by a ``sitecustomize`` module, which Python imports at its start.

Second part: seconds of whole commands, from a cold process, on folders without such files; both
versions take turns, after a first round that warms the disk cache. The ratios are medians of those
of neighbouring runs: of the time that passes, and of the processors' time, all processes together.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np
import soundfile

from earmark.audio.reading import load_audio
from earmark.data.manifest import read_manifest
from machine import describe_machine

CRASHING = """
import os, signal, soundfile

read = soundfile.SoundFile.read

def read_or_crash(file, *arguments, **options):
    if b"crash" in os.fsencode(file.name):
        os.kill(os.getpid(), signal.SIGSEGV)
    return read(file, *arguments, **options)

soundfile.SoundFile.read = read_or_crash
"""
RATE = 16_000
HERE = Path(__file__).resolve().parents[1] / "src"


def main() -> None:
    """Prints a table of each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--before", type=Path, help="Folder src of the version to compare with.")
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--crashing", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(describe_machine("soundfile", "numpy", "onnxruntime") + "\n")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        count = arguments.clips
        bad = range(0, count, max(count // max(arguments.crashing, 1), 1))[: arguments.crashing]
        if bad:
            _write_clips(arguments.data, root / "bad", count, 1.0, set(bad))
            _show_crashes(root, arguments.before)
        if arguments.before is not None:
            folders = {
                f"{count} clips of 1 s": root / "short",
                f"{count // 2} clips of 5 s": root / "middle",
                f"{2 * count} clips of 5 s": root / "many",
                f"{count // 10} clips of 30 s": root / "long",
                "5 clips of 1 s": root / "few",
            }
            _write_clips(arguments.data, root / "short", count, 1.0)
            _write_clips(arguments.data, root / "middle", count // 2, 5.0)
            _write_clips(arguments.data, root / "many", 2 * count, 5.0)
            _write_clips(arguments.data, root / "long", count // 10, 30.0)
            _write_clips(arguments.data, root / "few", 5, 1.0)
            _show_cost(folders, root, arguments.before, arguments.rounds)


def _write_clips(
    data: Path, folder: Path, count: int, seconds: float, crashing: Container[int] = ()
) -> None:
    """Clips of one length from all tracks in turn, each a little softer than the one before."""
    tracks = read_manifest(data).recordings
    sounds = [load_audio(one.path, RATE).samples for one in tracks]
    size = round(seconds * RATE)
    for number in range(count):
        sound, label = sounds[number % len(sounds)], tracks[number % len(tracks)].labels[0]
        start = number * size // len(sounds) % max(len(sound) - size, 1)
        name = f"{'crash' if number in crashing else 'clip'}_{number:04}.wav"
        (folder / label).mkdir(parents=True, exist_ok=True)
        samples = sound[start : start + size] * (1 - number / (4 * count))
        soundfile.write(folder / label / name, samples, RATE)


def _run(
    command: Sequence[object], source: Path, *, site: Path | None = None
) -> tuple[subprocess.CompletedProcess[str], float]:
    path = os.pathsep.join(map(str, filter(None, (site, source))))
    started_at = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-m", "earmark", *map(str, command)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return result, time.perf_counter() - started_at


def _show_crashes(root: Path, before: Path | None) -> None:
    site = root / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(CRASHING)
    data, table = root / "bad", root / "table.csv"
    named = {one.name for one in data.rglob("crash*")}
    total = sum(1 for _ in data.rglob("*.wav"))
    print("| version | command | exit | processed | failed | the right ones | s |")
    print("|---|---|---|---|---|---|---|")
    for version, source in {"before": before, "now": HERE}.items():
        if source is None:
            continue
        store = root / f"store {version}"
        commands = {
            "prepare": ("prepare", data, "-o", store, "--json"),
            "check": ("check", data, "--store", store, "--json"),
            "predict": ("predict", "speech-music", data, "--json"),
            "predict -o": ("predict", "speech-music", data, "-o", table),
            "predict -o --resume": ("predict", "speech-music", data, "-o", table, "--resume"),
        }
        for name, command in commands.items():
            result, seconds = _run(command, source, site=site)
            failed = _failed(name, result.stdout, table)
            right = "yes" if failed == named else "no"
            done = total - len(failed) if result.returncode >= 0 else 0
            cells = (version, name, result.returncode, done, len(failed), right, f"{seconds:.1f}")
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
        table.unlink(missing_ok=True)


def _failed(name: str, output: str, table: Path) -> set[str]:
    """The names of the files that a command reports as failed."""
    if not output and not table.exists():
        return set()
    if name == "prepare":
        return {Path(one["path"]).name for one in json.loads(output)["skipped"]}
    if name == "check":
        found = json.loads(output)["findings"]
        return {Path(one["paths"][0]).name for one in found if one.get("cause") == "crashed"}
    if name == "predict":
        lines = map(json.loads, output.splitlines())
        return {Path(one["path"]).name for one in lines if "error" in one}
    if not table.exists():
        return set()
    with table.open(encoding="utf-8", newline="") as file:
        return {Path(one["path"]).name for one in csv.DictReader(file) if one["error"]}


def _show_cost(folders: dict[str, Path], root: Path, before: Path, rounds: int) -> None:
    print("\n| files | command | before s | now s | ratio | ratio of processors' s |")
    print("|---|---|---|---|---|---|")
    for title, data in folders.items():
        one_file = next(data.rglob("*.wav"))
        commands = {"prepare": ("prepare", data), "predict": ("predict", "speech-music", data)}
        if title.startswith("5 "):
            commands["predict, one file"] = ("predict", "speech-music", one_file)
        for name, command in commands.items():
            times = []
            for number in range(rounds + 1):
                sides = [before, HERE] if number % 2 else [HERE, before]
                found = {side: _time(command, side, root) for side in sides}
                times.append((found[before], found[HERE]))
            measured = np.array(times[1:])  # (rounds, versions, wall and processors)
            then, now = np.median(measured[:, :, 0], axis=0)
            wall, processors = np.median(measured[:, 1] / measured[:, 0], axis=0)
            cells = (title, name, *(f"{one:.2f}" for one in (then, now, wall, processors)))
            print("| " + " | ".join(cells) + " |", flush=True)


def _time(command: Sequence[object], source: Path, root: Path) -> tuple[float, float]:
    """Seconds that pass, and those of all processors."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory(dir=root) as folder:
        store = ("-o", f"{folder}/store") if command[0] == "prepare" else ()
        result, seconds = _run((*command, *store, "--quiet"), source)
    result.check_returncode()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, processors


if __name__ == "__main__":
    main()
