"""What a table of very many clips costs before any sound is read: seconds and memory of each step.

``python benchmarks/large_tables.py --clips 1000000``

``python benchmarks/large_tables.py --clips 1000 --shuffled-mb 768 --limit-mb 256``

The data are made: empty files of 30 words by speakers of unequal zeal, a manifest with groups, and
a store with a few small frames for each clip. Every step runs after the one before it, in one
process; seconds are those of the processor. Memory is what the step adds at its peak, and what it
keeps. `predict --resume` is a command of its own, with all memory of its process, over a list of
the files, of which 99 in 100 have their row; the others are short noises.

The last part reads the windows of a store in random order while the memory of the process, without
the pages of mapped files, which the system can take back at any time, is limited (``RLIMIT_DATA``).
"""

import argparse
import csv
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import soundfile

from earmark.config import Config
from earmark.features.store import ClipKey, FeatureStore
from machine import describe_machine, memory_megabytes, peak_megabytes, reset_peak

NUM_WORDS = 30
NUM_FRAMES = 12
SAMPLE_RATE = 16_000
CLIPS_PER_SPEAKER = 60
CONFIG = Config.model_validate({"features": {"n_mels": 8}})
LIMITED = Config.model_validate({"features": {"n_mels": 64}})
LIMITED_FRAMES = 500
FILES_PER_FOLDER = 1000
DONE_IN_100 = 99

Result = TypeVar("Result")


def main() -> None:
    """Prints a row a step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--shuffled-mb", type=int, default=768)
    parser.add_argument("--limit-mb", type=int, default=256)
    parser.add_argument("--tables", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--shuffled", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tables:
        _measure_tables(arguments.tables)
        return
    if arguments.shuffled:
        print(json.dumps(_read_shuffled(arguments.shuffled, arguments.limit_mb)))
        return
    print(describe_machine("numpy", "torch"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started_at = time.perf_counter()
        make_data(folder, arguments.clips)
        print(f"{arguments.clips:,} clips, made in {time.perf_counter() - started_at:.0f} s\n")
        print("| step | CPU s | us a clip | MB at the peak | MB kept |\n|---|---|---|---|---|")
        command = [sys.executable, __file__, "--tables", name]
        subprocess.run(command, check=True)
        _measure_resumed(folder, arguments.clips)
    with tempfile.TemporaryDirectory() as name:
        print(f"\n{_describe_shuffled(Path(name), arguments.shuffled_mb, arguments.limit_mb)}")


def make_data(folder: Path, num_clips: int) -> None:
    """Writes ``manifest.csv``, empty files, and a store with the frames and digests of each clip.

    Args:
        folder: An empty folder.
        num_clips: How many.
    """
    rng = np.random.default_rng(0)
    num_speakers = -(-num_clips // CLIPS_PER_SPEAKER)
    zeal = 1 / np.arange(1, num_speakers + 1) ** 0.5
    speakers = rng.choice(num_speakers, num_clips, p=zeal / zeal.sum())
    words = rng.integers(NUM_WORDS, size=num_clips)
    store = FeatureStore(folder / "store", CONFIG.features)
    frames = rng.standard_normal((NUM_FRAMES, CONFIG.features.n_mels)).astype(np.float16)
    with (
        (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file,
        (folder / "list.txt").open("w", encoding="utf-8") as names,
        store.writer() as store_writer,
    ):
        table = csv.writer(file)
        table.writerow(("path", "label", "group", "room"))
        for number, (speaker, word) in enumerate(zip(speakers, words, strict=True)):
            path = f"{number // FILES_PER_FOLDER:04}/word{word:02}_{number}.wav"
            table.writerow((path, f"word{word:02}", f"speaker{speaker:06}", f"room{speaker % 7}"))
            names.write(f"{folder}/{path}\n")
            if number % FILES_PER_FOLDER == 0:
                (folder / path).parent.mkdir()
            os.close(os.open(folder / path, os.O_CREAT | os.O_WRONLY))
            store_writer.append(ClipKey(_digest(number)), frames)


def _digest(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % (1 << 128):032x}"


def _measure_tables(folder: Path) -> None:
    """All steps up to an epoch."""
    from earmark.audit.labels import label_findings, label_rows
    from earmark.audit.names import name_findings
    from earmark.data.labels import name_task
    from earmark.data.loaders import make_loaders
    from earmark.data.manifest import read_manifest
    from earmark.data.preparation import Prepared
    from earmark.data.splits import with_splits
    from earmark.system.runtime import start

    manifest = _step("read the manifest", 0, lambda: read_manifest(folder / "manifest.csv"))
    size = len(manifest)
    split = _step("splits", size, lambda: with_splits(manifest, CONFIG.train))
    _step(
        "table checks of the audit",
        size,
        lambda: [*label_findings(split), *name_findings(manifest), *label_rows(split, {})][:0],
    )
    store = _step(
        "index of the store", size, lambda: FeatureStore(folder / "store", CONFIG.features)
    )
    keys = {
        one.name: ClipKey(_digest(int(one.path.stem.split("_")[1]))) for one in split.recordings
    }
    prepared = Prepared(keys, (), 0, store.root)
    task = name_task(split, CONFIG.train)
    with start("cpu") as runtime:
        loaders = _step(
            "start of the loader",
            size,
            lambda: make_loaders(split, task, CONFIG, prepared, store, runtime),
        )
        loaders.train.set_epoch(1)
        num_windows = _step("one epoch of batches", size, lambda: sum(1 for _ in loaders.train))
    assert num_windows == len(loaders.train)


def _step(name: str, num_clips: int, work: Callable[[], Result]) -> Result:
    """Does the work and prints its row."""
    gc.collect()
    before = memory_megabytes()
    reset_peak()
    started_at = time.process_time()
    result: Any = work()
    seconds = time.process_time() - started_at
    peak = peak_megabytes() - before
    gc.collect()
    kept = memory_megabytes() - before
    each = 1e6 * seconds / (num_clips or len(result))
    print(f"| {name} | {seconds:.1f} | {each:.1f} | {peak:,.0f} | {kept:,.0f} |", flush=True)
    return result


def _measure_resumed(folder: Path, num_clips: int) -> None:
    """`predict --resume` over the list, with the rows of a table that it made itself."""
    from earmark.inference.result_index import name_digest

    output, listed = folder / "out.csv", folder / "list.txt"
    rest = [
        Path(line) for line in listed.read_text(encoding="utf-8").splitlines()[DONE_IN_100::100]
    ]
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE // 4) * 0.1
    soundfile.write(folder / "noise.wav", noise, SAMPLE_RATE)
    for path in rest:
        path.unlink()
        os.link(folder / "noise.wav", path)
    # The first run makes the files of states and facts beside a table of one row.
    (folder / "one.txt").write_text(f"{folder / 'noise.wav'}\n", encoding="utf-8")
    command = [sys.executable, "-m", "earmark", "predict", "speech-music", "-o", str(output)]
    command += ["--quiet", "--resume", "--files-from"]
    subprocess.run([*command, str(folder / "one.txt")], check=True)
    header, row = output.read_text(encoding="utf-8").splitlines()
    done = set(rest)
    states = []
    with output.open("w", encoding="utf-8", newline="") as file:
        file.write(f"{header}\n")
        for line in listed.read_text(encoding="utf-8").splitlines():
            if Path(line) not in done:
                file.write(row.replace(str(folder / "noise.wav"), line) + "\n")
                states.append(name_digest(line))
    known = np.stack([np.array(states, np.uint64), np.zeros(len(states), np.uint64)])
    np.save(output.with_name(f".{output.name}.states.npy"), known)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, str(listed)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"| `predict --resume` | {seconds:.1f} | {1e6 * seconds / num_clips:.1f} "
        f"| {after.ru_maxrss / 1024:,.0f} in all | |"
    )
    with output.open(encoding="utf-8") as file:
        assert sum(1 for _ in file) == num_clips + 1


def _describe_shuffled(folder: Path, num_mb: int, limit_mb: int) -> str:
    """Makes a store larger than the limit, and reads it in a process that has the limit."""
    store = FeatureStore(folder, LIMITED.features)
    shape = LIMITED_FRAMES, LIMITED.features.n_mels
    num_clips = (num_mb << 20) // (2 * shape[0] * shape[1])
    rng = np.random.default_rng(0)
    with store.writer() as writer:
        for number in range(num_clips):
            frames = rng.integers(-60, 0, shape).astype(np.float16)
            writer.append(ClipKey(_digest(number)), frames)
    command = [sys.executable, __file__, "--shuffled", str(folder), "--limit-mb", str(limit_mb)]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    seconds, num_windows, anonymous = json.loads(output)
    return (
        f"shuffled: {num_windows:,} windows of a store of {num_mb} MB in {seconds:.1f} CPU s; "
        f"memory without mapped files limited to {limit_mb} MB beyond the imports, "
        f"{anonymous:.0f} MB were used"
    )


def _read_shuffled(folder: Path, limit_mb: int) -> tuple[float, int, float]:
    """CPU seconds, windows, and memory without mapped files at the end, in MB."""
    from earmark.data.content import Clip
    from earmark.data.dataset import AudioDataset
    from earmark.data.loaders import TrainingLoader
    from earmark.features.windows import WindowGrid
    from earmark.system.runtime import start

    with start("cpu") as runtime:
        before = _data_bytes()
        resource.setrlimit(resource.RLIMIT_DATA, (before + (limit_mb << 20),) * 2)
        store = FeatureStore(folder, LIMITED.features)
        clips = [Clip(str(key), key, (0,)) for key in _keys(store)]
        dataset = AudioDataset(store, clips, WindowGrid(LIMITED_FRAMES // 4), crops=LIMITED)
        loader = TrainingLoader(dataset, LIMITED.train, runtime)
        loader.set_epoch(1)
        started_at = time.process_time()
        num_windows = sum(len(batch.indices) for batch in loader)
        seconds = time.process_time() - started_at
        return seconds, num_windows, (_data_bytes() - before) / (1 << 20)


def _keys(store: FeatureStore) -> Iterator[ClipKey]:
    number = 0
    while (key := ClipKey(_digest(number))) in store:
        yield key
        number += 1


def _data_bytes() -> int:
    """What counts against ``RLIMIT_DATA``."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmData:"))


if __name__ == "__main__":
    main()
