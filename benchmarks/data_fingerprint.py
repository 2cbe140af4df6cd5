"""What the fingerprint of data costs and holds, and which frames of a recording count as sound.

``python benchmarks/data_fingerprint.py DATA...``

Each data set is read with an empty store, with the store of that, and with one that holds the
measurements of all recordings but no headers. How much processor time a second of sound takes is
measured in this process, since it depends less on what else the machine does. The second table
measures some clips of each label with other values of `ACTIVE_DB`: which fraction of a clip is
sound, and how long its events are.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from earmark.audio.reading import load_audio
from earmark.data.fingerprint import DataFingerprint, fingerprint_data
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.signals import frame_levels
from earmark.data.signals.measure import measure_recordings
from earmark.data.signals.signal import analyze_signal
from earmark.system.progress import SILENT
from earmark.tasks.task import find_task
from machine import describe_machine

TRIED_DB = (15, 20, 25, 30, 40)
SPEED_CLIPS = 40


def main() -> None:
    """Prints seconds, the fingerprints and activity by label."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--clips", type=int, default=20, help="Clips of each label.")
    arguments = parser.parse_args()
    print(describe_machine("numpy", "soundfile"))
    for path in arguments.data:
        manifest = read_manifest(path)
        print(f"\n{path.stem}\n")
        print("| store | s |\n|---|---|")
        found = _costs(manifest)
        print(f"\nmeasured at {_speed(manifest):.0f} times real time by a processor")
        print("", *found.summary(), "", sep="\n")
        columns = " | ".join(f"{margin} dB" for margin in TRIED_DB)
        print(f"| label | {columns} |\n|---{'|---' * len(TRIED_DB)}|")
        for label in manifest.labels:
            print(f"| {label} | {' | '.join(_activity(manifest, label, arguments.clips))} |")


def _costs(manifest: Manifest) -> DataFingerprint:
    """Prints what the fingerprint costs with stores in which more or less is kept."""
    task = find_task((one.labels for one in manifest.recordings), len(manifest.labels))
    with tempfile.TemporaryDirectory() as cold, tempfile.TemporaryDirectory() as checked:

        def read(store: str) -> DataFingerprint:
            return fingerprint_data(manifest, task, Path(store))

        found = [_timed("empty", lambda: read(cold)), _timed("of the first", lambda: read(cold))]
        measure_recordings(manifest, Path(checked), SILENT)
        found.append(_timed("of measurements", lambda: read(checked)))
    if found.count(found[0]) < len(found):
        raise SystemExit("the fingerprints differ")
    return found[0]


def _timed(name: str, work: Callable[[], DataFingerprint]) -> DataFingerprint:
    started_at = time.perf_counter()
    found = work()
    print(f"| {name} | {time.perf_counter() - started_at:.2f} |")
    return found


def _speed(manifest: Manifest) -> float:
    """Seconds of sound that are decoded and measured in one of processor time."""
    step = max(len(manifest) // SPEED_CLIPS, 1)
    started_at = time.process_time()
    seconds = sum(analyze_signal(one).stats.duration_seconds for one in manifest.recordings[::step])
    return seconds / (time.process_time() - started_at)


def _activity(manifest: Manifest, label: str, num_clips: int) -> list[str]:
    """Medians of the fraction that is sound and of the length of events, for each margin."""
    clips = [one for one in manifest.recordings if label in one.labels]
    values: dict[int, list[tuple[float, float]]] = {margin: [] for margin in TRIED_DB}
    default = frame_levels.ACTIVE_DB
    for one in clips[:: max(len(clips) // num_clips, 1)][:num_clips]:
        sound = load_audio(one.path, start=one.excerpt.start, end=one.excerpt.end)
        levels = frame_levels.FrameLevels(sound.sample_rate)
        levels.add(sound.samples)
        for margin in TRIED_DB:
            frame_levels.ACTIVE_DB = margin
            values[margin].append((levels.active_fraction, levels.event_seconds))
    frame_levels.ACTIVE_DB = default
    medians = (np.median(ones, axis=0) for ones in values.values())
    return [f"{fraction:.2f}, {seconds:.2f} s" for fraction, seconds in medians]


if __name__ == "__main__":
    main()
