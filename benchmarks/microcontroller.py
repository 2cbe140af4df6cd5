"""Models in C on a simulated Cortex-M4F: memory, instructions, and the same probabilities.

``python benchmarks/microcontroller.py MODEL... [--quantize-with DATA]``

Each model is exported with float32 weights and, with data, with weights in 8 bits; compiled for the
board of ``examples/c/board``; and run in QEMU (mps2-an386) on 10 s of the demonstration clips,
where a nanosecond of the board's clock is one instruction. The last column compares the board with
the same code on this machine. Needs the Debian packages gcc-arm-none-eabi, libnewlib-arm-none-eabi
and qemu-system-arm.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from earmark.audio.reading import load_audio
from earmark.data.demo import demo_data
from earmark.exporters.c.export import ExportedCode, export_c
from earmark.exporters.c.toolchain import compile_check
from earmark.exporters.targets import ExportOptions
from earmark.inference.classifier import Classifier
from machine import describe_machine

BOARD = Path(__file__).parents[1] / "examples" / "c" / "board"
SECONDS = 10
HEADER = """
| model | weights | flash, bytes | state, bytes | stack, bytes | instructions a second of sound | \
longest push | at the end | difference in C | from `predict` | board from here |
|---|---|---|---|---|---|---|---|---|---|---|
"""


def main() -> None:
    """Prints a row for each model and kind of weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--quantize-with", type=Path, help="Data for weights in 8 bits.")
    parser.add_argument("--store", type=Path, help="Feature store for these.")
    arguments = parser.parse_args()
    print(describe_machine("onnx", "numpy"))
    print(_version("cc", "--version"), _version("arm-none-eabi-gcc", "--version"), sep="\n")
    print(_version("qemu-system-arm", "--version"), end="\n" + HEADER)
    for model in arguments.models:
        for options in _options(arguments.quantize_with, arguments.store):
            with tempfile.TemporaryDirectory() as folder:
                print(_row(model, Path(folder), options), flush=True)


def _version(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[
        0
    ]


def _options(data: Path | None, store: Path | None) -> Iterator[ExportOptions]:
    yield {}
    if data is not None:
        quantized: ExportOptions = {"quantize": "int8", "data": data, "max_accuracy_drop": 1.0}
        yield {**quantized, "store": store} if store is not None else quantized


def _row(model: str, folder: Path, options: ExportOptions) -> str:
    exported = export_c(model, folder / "code", options)
    found = _run(exported, _sound(Classifier.load(model, device="cpu").sample_rate), folder)
    rate = 2_000_000 / found["ticks_of_two_million"]
    per_push, whole = found["longest_push_ticks"] * rate, found["ticks"] * rate
    expected = _run_here(exported, folder)
    parity, flash = exported.parity, exported.flash
    assert parity is not None
    assert flash is not None
    cells = [
        Path(model).name,
        "int8" if options else "float32",
        f"{flash.num_bytes:,}",
        f"{exported.ram_bytes:,}",
        f"{found['stack_bytes']:,}",
        f"{whole / SECONDS / 1e6:.1f} M",
        f"{per_push / 1e6:.2f} M",
        f"{found['result_ticks'] * rate / 1e6:.1f} M",
        f"{parity.largest_difference:.1e}",
        f"{parity.largest_difference_from_predict:.1e}",
        f"{np.abs(np.array(found['probabilities']) - expected).max():.1e}",
    ]
    cost = f"\n\n{exported.quantized}\n" if exported.quantized else ""
    return f"| {' | '.join(cells)} |{cost}"


def _sound(sample_rate: int) -> np.ndarray:
    with demo_data() as folder:
        clips = [load_audio(path, sample_rate).samples for path in sorted(folder.rglob("*.flac"))]
    order = np.random.default_rng(0).permutation(len(clips))
    joined = np.concatenate([clips[index] for index in order])
    return joined[: SECONDS * sample_rate].astype(np.float32)


def _run(exported: ExportedCode, sound: np.ndarray, folder: Path) -> dict[str, Any]:
    program = folder / "program"
    subprocess.run([BOARD / "build.sh", exported.path, program], check=True)
    (folder / "clip.f32").write_bytes(sound.tobytes())
    done = subprocess.run(
        [BOARD / "run.sh", program], cwd=folder, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def _run_here(exported: ExportedCode, folder: Path) -> list[float]:
    """The probabilities of the same code, compiled for this machine."""
    program = compile_check(exported.path, exported.name)
    done = subprocess.run(
        [program, "clip.f32"], cwd=folder, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)["probabilities"]


if __name__ == "__main__":
    main()
