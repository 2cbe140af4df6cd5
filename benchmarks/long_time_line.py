"""Time lines of long recordings: seconds, real-time factor and peak memory.

``python benchmarks/long_time_line.py path/to/run path/to/music_speech_subset --hours 1 10``
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from earmark.inference.classifier import Classifier
from long_file import write_sound
from machine import describe_machine, peak_megabytes


def main() -> None:
    """Prints a row a length; each is measured in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("sound", type=Path)
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0])
    parser.add_argument("--measure", action="store_true", help="SOUND is one file, measured here")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(_measure(arguments.model, arguments.sound)))
        return
    print(describe_machine("torch", "soundfile", "soxr", "numpy", "scipy"))
    print("\nFLAC, 22.05 kHz mono; memory beyond that of the imports and the model\n")
    print("| hours | seconds | real-time factor | times real time | peak MB | segments |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for hours in arguments.hours:
            path = Path(folder) / "long.flac"
            write_sound(arguments.sound, path, round(hours * 3600))
            command = [sys.executable, __file__, str(arguments.model), str(path), "--measure"]
            output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
            seconds, megabytes, num_segments = json.loads(output)
            factor = seconds / (hours * 3600)
            print(
                f"| {hours:g} | {seconds:.1f} | {factor:.4f} | {1 / factor:,.0f} | "
                f"{megabytes:,.0f} | {num_segments} |",
                flush=True,
            )


def _measure(model: Path, path: Path) -> tuple[float, float, int]:
    classifier = Classifier.load(model, device="cpu")
    before, started_at = peak_megabytes(), time.perf_counter()
    segments = classifier.predict(path, segments=True).segments or ()
    return time.perf_counter() - started_at, peak_megabytes() - before, len(segments)


if __name__ == "__main__":
    main()
