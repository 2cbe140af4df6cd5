"""All architectures in C, under sanitizers, and a simulated board: `pytest -m slow`."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from earmark.audio.reading import load_audio
from earmark.data.demo import demo_data
from earmark.exporters.targets import export
from earmark.inference.classifier import Classifier
from earmark.models.architectures.registry import list_models
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler"),
]
BOARD_TOOLS = ("arm-none-eabi-gcc", "qemu-system-arm")
EXAMPLES = Path(__file__).parents[3] / "examples" / "c"
POOLS = (
    "model.blocks=[{channels=6, kernel_size=[3, 5], padding=[1, 4], dilation=[1, 2], "
    "pool_size=[3, 3], pool_stride=[2, 2]}, {channels=7, kernel_size=[3, 3], padding=[2, 1], "
    "dilation=[2, 1], stride=[1, 2], pool_size=[2, 1]}]"
)
MODELS = {
    "audio_cnn": (["predict.overlap=0.5", "features.n_fft=400", "features.hop_length=160"], BINARY),
    "audio_cnn flatten": (["model.head=flatten", "predict.pooling=max"], MULTI_CLASS),
    "audio_cnn mean_max": (["model.head=mean_max", "predict.pooling=attention"], MULTI_LABEL),
    "audio_cnn pools": ([POOLS], MULTI_LABEL),
    "bc_resnet": (["model.name=bc_resnet", "predict.pooling=attention"], MULTI_CLASS),
    "cp_resnet": (["model.name=cp_resnet", "model.width=0.25"], MULTI_CLASS),
}


def test_every_architecture_is_exported():
    assert {name.split()[0] for name in MODELS} == set(list_models())


@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_predicts_as_in_python_without_faults(
    name, tmp_path, write_clip, sharp_checkpoint
):
    model, folder = tmp_path / "model.safetensors", tmp_path / "out"
    sharp_checkpoint(*MODELS[name]).save(model)
    exported = export(model, folder, to="c")
    assert 0 < exported.parity.largest_difference <= 1e-4
    assert exported.flash.num_bytes > 5000
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    warnings = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    command = ["cc", "-g", "-O1", *warnings, *sanitizers, "-I.", EXAMPLES / "classify_wav.c"]
    subprocess.run([*command, "-o", "example", "model.c", "-lm"], cwd=folder, check=True)
    for seconds in (0.1, 0.5, 1.0, 1.01, 3.7):
        clip = write_clip(tmp_path / "a.wav", seconds, 16_000, "noise")
        found = subprocess.run(
            [folder / "example", clip], capture_output=True, text=True, check=True
        ).stdout.splitlines()[1:]
        values = [float(line.split()[0]) for line in found]
        expected = list(Classifier.load(model).predict(clip).probabilities.values())
        # Single frame values may be rounded differently.
        np.testing.assert_allclose(values, expected, atol=1e-3)


def test_weights_in_8_bits_take_a_quarter(tmp_path):
    with demo_data() as data:
        whole = export("speech-music", tmp_path / "whole", to="c")
        options = {"quantize": "int8", "data": data, "store": tmp_path / "store"}
        small = export("speech-music", tmp_path / "small", to="c", name="small", **options)
    assert small.flash.num_bytes < 0.4 * whole.flash.num_bytes
    assert small.ram_bytes == whole.ram_bytes
    assert small.quantized.num_clips > 10
    assert 0 < small.parity.largest_difference <= 1e-4
    assert "Cost of 8-bit weights: accuracy" in (tmp_path / "small" / "small.h").read_text()


@pytest.mark.skipif(not all(map(shutil.which, BOARD_TOOLS)), reason="no tools of the board")
def test_a_simulated_board_predicts_as_python(tmp_path):
    export("speech-music", tmp_path / "out", to="c")
    subprocess.run(
        [EXAMPLES / "board" / "build.sh", tmp_path / "out", tmp_path / "program"], check=True
    )
    with demo_data() as folder:
        sound = load_audio(sorted(folder.rglob("*.flac"))[0], 16_000).samples.astype(np.float32)
    (tmp_path / "clip.f32").write_bytes(sound.tobytes())
    found = json.loads(
        subprocess.run(
            [EXAMPLES / "board" / "run.sh", tmp_path / "program"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            timeout=240,
        ).stdout
    )
    expected = list(Classifier.load("speech-music").predict(sound).probabilities.values())
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-4)
    assert (found["status"], found["samples"]) == (0, len(sound))
    assert found["stack_bytes"] < 2048
    instructions = found["ticks"] * 2_000_000 / found["ticks_of_two_million"]
    assert 1e6 < instructions * 16_000 / len(sound) < 100e6
