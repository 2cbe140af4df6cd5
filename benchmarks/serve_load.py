"""The service under load, beside the loop over `Classifier.predict` that it must keep up with.

``python benchmarks/serve_load.py --minutes 10``

A service runs in a process of its own, on a free port of this machine. Clients are threads of this
one, each with a connection that it keeps; they send WAV clips of 5 s at 16 kHz, and every answer is
checked.

1. Speed: rounds of the bare loop, in one thread of another process, and of the service take turns,
   so that both meet the same other work on the machine. Requests a second, and the time of a
   request, with as many clients as the service has workers.
2. Overload: four times as many clients as the queue has places, which do not wait when they are
   refused. Every answer must be 200 or 429; afterwards a single client must be served at once.
3. Death: a decoder process is killed twice a second while clients ask. A request whose decoder dies
   is tried once more, so all should be answered.
4. Memory: of the service and its workers, after so many requests.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from earmark.inference.classifier import load_model
from machine import describe_machine

RATE, SECONDS, CLIPS = 16_000, 5.0, 16
QUEUE = 16
WORKERS = 3


@dataclass
class Load:
    """What clients saw.

    Args:
        seconds: Times of the requests that were answered.
        statuses: How often each status came; 0 for a connection that broke.
        elapsed_seconds: Of all clients together.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    elapsed_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Predictions a second."""
        return self.statuses[200] / self.elapsed_seconds

    def times(self) -> list[str]:
        """p50, p95 and p99 in ms."""
        return [f"{one * 1000:.0f}" for one in np.percentile(self.seconds, (50, 95, 99))]


def main() -> None:
    """Prints a table of each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8, help="Of each side, in part 1.")
    parser.add_argument("--round-seconds", type=float, default=5.0)
    parser.add_argument("--requests", type=int, default=20_000, help="In part 4.")
    parser.add_argument("--minutes", type=float, default=10.0, help="Bound of part 4.")
    arguments = parser.parse_args()
    print(describe_machine("onnxruntime", "fastapi", "uvicorn") + "\n")
    with TemporaryDirectory() as folder, _service() as (process, port):
        clips = _write_clips(Path(folder))
        _show_speed(port, clips, arguments.rounds, arguments.round_seconds)
        _show_overload(port, clips, arguments.round_seconds)
        _show_deaths(process.pid, port, clips, arguments.round_seconds)
        _show_memory(process.pid, port, clips, arguments.requests, arguments.minutes * 60)


def _write_clips(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = []
    for number in range(CLIPS):
        paths.append(folder / f"{number}.wav")
        samples = 0.1 * rng.standard_normal(round(SECONDS * RATE)).cumsum() / 20
        soundfile.write(paths[-1], samples.clip(-1, 1), RATE, subtype="PCM_16")
    return paths


@contextmanager
def _service() -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "earmark", "serve", "speech-music", "--port", "0"]
    limits = ["--queue", str(QUEUE), "--workers", str(WORKERS)]
    process = subprocess.Popen([*command, *limits], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        found = None
        while not found:
            found = re.search(r"http://[\d.]+:(\d+)", process.stderr.readline())
        # Or the pipe of the log would fill.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process, int(found[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _ask(connection: http.client.HTTPConnection, content: bytes) -> int:
    connection.request("POST", "/v1/predict", content)
    answer = connection.getresponse()
    document = json.load(answer)
    if answer.status == 200:
        assert document["results"][0]["duration_seconds"] == SECONDS
    return answer.status


def _load(
    port: int, clips: list[Path], num_clients: int, goes_on: Callable[[int, float], bool]
) -> Load:
    """Clients that ask as long as it goes on, by the number of requests and the seconds so far."""
    contents, load, lock = [one.read_bytes() for one in clips], Load(), threading.Lock()
    started_at, number = time.perf_counter(), iter(range(1 << 40))

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while goes_on(one := next(number), time.perf_counter() - started_at):
            asked_at = time.perf_counter()
            try:
                status = _ask(connection, contents[one % CLIPS])
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            with lock:
                load.statuses[status] += 1
                if status == 200:
                    load.seconds.append(time.perf_counter() - asked_at)

    threads = [threading.Thread(target=client) for _ in range(num_clients)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    load.elapsed_seconds = time.perf_counter() - started_at
    return load


def _bare_loop(clips: list[Path], seconds: float) -> tuple[int, float]:
    """How many predictions a loop makes, and in how many seconds."""
    model, count = load_model("speech-music"), 0
    model.predict(clips[0])
    started_at = time.perf_counter()
    while (elapsed := time.perf_counter() - started_at) < seconds:
        model.predict(clips[count % CLIPS])
        count += 1
    return count, elapsed


def _show_speed(port: int, clips: list[Path], rounds: int, seconds: float) -> None:
    _load(port, clips, WORKERS, lambda number, _: number < 50)
    bare, served, all_served = [], [], Load()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for number in range(rounds):
            for side in ("bare", "served") if number % 2 else ("served", "bare"):
                if side == "bare":
                    count, elapsed = pool.apply(_bare_loop, (clips, seconds))
                    bare.append(count / elapsed)
                else:
                    load = _load(port, clips, WORKERS, lambda _, so_far: so_far < seconds)
                    served.append(load.rate)
                    all_served.seconds += load.seconds
                    all_served.statuses += load.statuses
    ratios = np.array(served) / np.array(bare)
    print(f"{rounds} rounds of {seconds:g} s each; {WORKERS} clients; medians\n")
    print("| side | clips/s | p50 ms | p95 ms | p99 ms | other answers |")
    print("|---|---|---|---|---|---|")
    print(f"| loop over `predict` | {np.median(bare):.0f} | | | | |")
    others = sum(all_served.statuses.values()) - all_served.statuses[200]
    times = " | ".join(all_served.times())
    print(f"| service | {np.median(served):.0f} | {times} | {others} |")
    low, high = ratios.min(), ratios.max()
    print(f"\nservice / loop: {np.median(ratios):.2f} ({low:.2f} to {high:.2f})\n", flush=True)


def _show_overload(port: int, clips: list[Path], seconds: float) -> None:
    over = _load(port, clips, 4 * QUEUE, lambda _, so_far: so_far < seconds)
    after = _load(port, clips, 1, lambda number, _: number < 50)
    print("| clients | 200 | 429 | other | 200 a second | p50 ms | p95 ms | p99 ms |")
    print("|---|---|---|---|---|---|---|---|")
    for clients, load in ((4 * QUEUE, over), (1, after)):
        others = sum(load.statuses.values()) - load.statuses[200] - load.statuses[429]
        cells = (clients, load.statuses[200], load.statuses[429], others, f"{load.rate:.0f}")
        print("| " + " | ".join(map(str, (*cells, *load.times()))) + " |")
    print(flush=True)


def _show_deaths(pid: int, port: int, clips: list[Path], seconds: float) -> None:
    killed, stop = [], threading.Event()

    def kill() -> None:
        while not stop.wait(0.5):
            if workers := _descendants(pid)[1:]:
                os.kill(workers[len(killed) % len(workers)], signal.SIGKILL)
                killed.append(1)

    thread = threading.Thread(target=kill)
    thread.start()
    load = _load(port, clips, WORKERS, lambda _, so_far: so_far < seconds)
    stop.set()
    thread.join()
    others = {status: count for status, count in load.statuses.items() if status != 200}
    print("| decoders killed | 200 | other answers |\n|---|---|---|")
    print(f"| {len(killed)} | {load.statuses[200]} | {others or 'none'} |\n", flush=True)


def _show_memory(pid: int, port: int, clips: list[Path], total: int, seconds: float) -> None:
    print("| requests | service MB | with its workers MB | 200 |\n|---|---|---|---|")
    done, deadline = 0, time.perf_counter() + seconds
    for upto in (total // 20, total // 4, total // 2, total):
        count, left = upto - done, deadline - time.perf_counter()
        load = _load(
            *(port, clips, WORKERS),
            lambda number, so_far, count=count, left=left: number < count and so_far < left,
        )
        done += sum(load.statuses.values())
        sizes = [_private_megabytes(one) for one in (pid, *_descendants(pid))]
        print(
            f"| {done:,} | {sizes[0]:.0f} | {sum(sizes):.0f} | {load.statuses[200]:,} |", flush=True
        )


def _descendants(pid: int) -> list[int]:
    """The processes below one: first the server of its workers, then these."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        found += [int(child), *_descendants(int(child))]
    return found


def _private_megabytes(pid: int) -> float:
    """What a process holds and shares with no other."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return sum(map(int, re.findall(r"^Private_\w+:\s+(\d+)", text, re.M))) / 1024


if __name__ == "__main__":
    main()
