"""Predicts the same clips with every engine: clips a second, and whether the output is the same.

``python benchmarks/engines.py --clips 20000``

The clips are made here: 2 s of harmonics or of modulated noise, each different. The model is
``speech-music``. Every row predicts all of them into JSON Lines, whose digest is shown. "fraction"
is the speed, divided by that of one process times the workers. Engines have been started before the
clock starts; the commands of shards start within it, each on a processor of its own where there are
enough. With ``--kill``, a worker, a node or a command is killed half-way.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

# Each worker has one processor. On a busy machine a node takes long to start.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_raylet_start_wait_time_s="300")

import numpy as np
import soundfile

from earmark.inference.classifier import load_model
from earmark.inference.engine import predict_on
from earmark.inference.predictions import Prediction
from earmark.system.ray_executor import RayExecutor
from machine import describe_machine

MODEL = "speech-music"
SAMPLE_RATE, CLIP_SECONDS = 16_000, 2.0
Kill = Callable[[], object]


class Row(NamedTuple):
    """What was measured of an engine."""

    name: str
    num_workers: int
    seconds: float
    digest: str


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="keeps the clips")
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--kill", action="store_true", help="kill something half-way")
    arguments = parser.parse_args()
    print(describe_machine("ray", "distributed", "onnxruntime"))
    with contextlib.ExitStack() as opened:
        temporary = opened.enter_context(tempfile.TemporaryDirectory())
        folder = (arguments.folder or Path(temporary)).absolute()
        clips = [make_clip(folder / "clips", number) for number in range(arguments.clips)]
        os.chdir(folder)
        first: Row | None = None
        print("\n| engine | workers | seconds | clips/s | fraction | output |")
        print("|---|---|---|---|---|---|")
        for name in arguments.only:
            for row in ENGINES[name](clips, arguments.kill):
                first = first or row
                print(format_row(row, first, len(clips)), flush=True)


def format_row(row: Row, first: Row, num_clips: int) -> str:
    """A line of the table; the first row is the measure of the others, if it is of one process."""
    fraction = "-"
    if first.num_workers == 1:
        fraction = f"{first.seconds / (row.seconds * row.num_workers):.2f}"
    cells = (row.name, row.num_workers, f"{row.seconds:.1f}", f"{num_clips / row.seconds:,.0f}")
    return f"| {' | '.join(map(str, cells))} | {fraction} | {row.digest[:12]} |"


def make_clip(folder: Path, number: int) -> Path:
    """Writes a clip, unless it is there; returns its path from the folder above."""
    path = folder / f"{number // 1000:03d}" / f"{number:06d}.wav"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        seconds = np.arange(round(CLIP_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
        if number % 2:
            pitch = 110 * 2 ** rng.uniform(0, 3)
            harmonics = np.arange(1, 6)[:, None]
            waves = np.sin(2 * np.pi * harmonics * pitch * seconds) / harmonics
            sound = waves.sum(axis=0)
        else:
            envelope = 0.5 - 0.5 * np.cos(2 * np.pi * rng.uniform(3, 6) * seconds)
            sound = envelope * rng.standard_normal(len(seconds)).clip(-3, 3)
        soundfile.write(path, 0.2 * sound, SAMPLE_RATE)
    return path.relative_to(folder.parent)


def run(
    name: str, executor: Executor, num_workers: int, clips: Sequence[Path], kill: Kill | None = None
) -> Row:
    """Predicts all clips on an executor."""
    classifier = load_model(MODEL)
    # So that workers have started, and imported what they need.
    list(predict_on(executor, [classifier], clips[: 4 * num_workers]))
    started_at = time.perf_counter()
    digest = hashlib.sha256()
    results = predict_on(executor, [classifier], clips)
    for number, (one,) in enumerate(results):
        if kill is not None and number == len(clips) // 2:
            kill()
        assert isinstance(one, Prediction)
        digest.update(json.dumps(one.to_dict()).encode() + b"\n")
    return Row(name, num_workers, time.perf_counter() - started_at, digest.hexdigest())


def run_processes(clips: Sequence[Path], kill: bool) -> Iterator[Row]:
    """Pools of the standard library; with a kill, the pool breaks and this process goes on."""
    for num_workers in (2,) if kill else (1, 2, 4):
        with ProcessPoolExecutor(num_workers, get_context("spawn")) as pool:
            name = f"{num_workers} processes" if num_workers > 1 else "1 process"
            killer = _first_process_killer(pool) if kill else None
            suffix = ", one killed: the rest here" if kill else ""
            yield run(name + suffix, pool, num_workers, clips, killer)


def _first_process_killer(pool: ProcessPoolExecutor) -> Kill:
    processes: Any = pool
    return lambda: os.kill(next(iter(processes._processes)), signal.SIGKILL)


def run_ray(clips: Sequence[Path], kill: bool) -> Iterator[Row]:
    """Two nodes of Ray with a processor each, and a head that does no tasks."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        with RayExecutor(cluster.address) as executor:
            killer = (lambda: cluster.remove_node(nodes[0], allow_graceful=False)) if kill else None
            yield run(f"Ray, two nodes{', one killed' * kill}", executor, 2, clips, killer)
    finally:
        cluster.shutdown()


def run_dask(clips: Sequence[Path], kill: bool) -> Iterator[Row]:
    """Two workers of Dask."""
    from distributed import Client, LocalCluster

    local = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        LocalCluster(**local) as cluster,
        Client(cluster) as client,
        client.get_executor() as executor,
    ):
        pid = next(iter(client.run(os.getpid).values()))
        killer = (lambda: os.kill(pid, signal.SIGKILL)) if kill else None
        yield run(f"Dask, two workers{', one killed' * kill}", executor, 2, clips, killer)


def run_shards(clips: Sequence[Path], kill: bool) -> Iterator[Row]:
    """Two commands, each as on a machine of its own, and the merge."""
    Path("list.txt").write_text("".join(f"{one}\n" for one in clips), encoding="utf-8")
    for path in Path().glob("*results.jsonl*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    started_at = time.perf_counter()
    shards = [start_shard(number, 2) for number in range(2)]
    if kill:
        part = Path("results.jsonl.1-of-2")
        while len(list(part.glob("0*.jsonl"))) < len(clips) // 4000 + 1:
            if shards[0].poll() is not None:
                raise SystemExit("the shard ended before it was killed; take more clips")
            time.sleep(0.01)
        shards[0].kill()
        shards[0].wait()
        shards[0] = start_shard(0, 2)
    assert [one.wait() for one in shards] == [0, 0]
    parts = [f"results.jsonl.{number}-of-2" for number in (1, 2)]
    subprocess.run([*EARMARK, "merge", *parts, "-o", "results.jsonl", "--quiet"], check=True)
    seconds = time.perf_counter() - started_at
    digest = hashlib.sha256(Path("results.jsonl").read_bytes()).hexdigest()
    yield Row(f"two shards{', one killed and resumed' * kill}", 2, seconds, digest)


EARMARK = (sys.executable, "-m", "earmark")


def start_shard(number: int, count: int) -> subprocess.Popen[bytes]:
    """Starts the command of a shard, on one processor."""
    words = ("predict", MODEL, "--files-from", "list.txt", "-o", "results.jsonl", "--quiet")
    processors = sorted(os.sched_getaffinity(0))
    ours = {processors[number % len(processors)]}
    return subprocess.Popen(
        [*EARMARK, *words, "--resume", "--shard", f"{number + 1}/{count}"],
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, ours),
    )


def run_local(clips: Sequence[Path], kill: bool) -> Iterator[Row]:
    """The engine of `earmark predict`: processes that decode, and threads that predict."""
    classifier = load_model(MODEL)
    digest, started_at = hashlib.sha256(), time.perf_counter()
    for one in classifier.predict_many(itertools.chain(clips)):
        digest.update(json.dumps(one.to_dict()).encode() + b"\n")
    num_workers = len(os.sched_getaffinity(0))
    seconds = time.perf_counter() - started_at
    yield Row("local, without an executor", num_workers, seconds, digest.hexdigest())


ENGINES = {
    "processes": run_processes,
    "local": run_local,
    "ray": run_ray,
    "dask": run_dask,
    "shards": run_shards,
}

if __name__ == "__main__":
    main()
