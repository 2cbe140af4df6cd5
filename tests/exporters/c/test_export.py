"""Generated C predicts what Python predicts: whole models, and every rule of the decision."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from earmark.config import load_config
from earmark.errors import ConfigError, ExportError
from earmark.exporters.c.network import Layer, Network, Reach, Step, Tensor
from earmark.exporters.c.novelty import read_novelty
from earmark.exporters.c.parity import compare_code
from earmark.exporters.c.source import write_source
from earmark.exporters.c.toolchain import compile_check, measure_flash
from earmark.exporters.c.weights import Weights
from earmark.exporters.novelty_graph import novelty_graph
from earmark.exporters.targets import export
from earmark.inference.backend import Output
from earmark.inference.classifier import Classifier
from earmark.models.spec import ModelSpec
from earmark.tasks.false_alarms import KnownScores
from earmark.tasks.novelty import fit_novelty
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

has_compiler = any(map(shutil.which, ("cc", "gcc", "clang")))
needs_compiler = pytest.mark.skipif(not has_compiler, reason="no C compiler")
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Wdouble-promotion", "-Werror"]
CHANNELS, FRAMES = 3, 51


@pytest.fixture
def short_sounds(monkeypatch):
    monkeypatch.setattr("earmark.exporters.parity.PARITY_SECONDS", (0.1, 1.03, 2.5))


class SmallNetwork:
    """A convolution over each band and five frames, the mean over frames, a classifier."""

    def __init__(self, num_mels, num_outputs, novelty=None):
        rng = np.random.default_rng(0)
        self.weights = rng.normal(0, 0.5, (CHANNELS, 1, 1, 5)).astype(np.float32)
        self.classifier = rng.normal(0, 0.2, (num_outputs, CHANNELS * num_mels)).astype(np.float32)
        self.means = np.full(num_mels, -40, np.float32)
        self.stds = rng.uniform(10, 20, num_mels).astype(np.float32)
        self.novelty = novelty

    def embeddings(self, windows):
        scaled = (windows - self.means[:, None]) / self.stds[:, None]
        padded = np.pad(scaled, [(0, 0), (0, 0), (2, 2)])
        taps = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=2)
        values = np.maximum(np.einsum("nmft,ct->ncmf", taps, self.weights[:, 0, 0]), 0)
        return values.mean(axis=3).reshape(len(windows), -1).astype(np.float32)

    def __call__(self, windows):
        return self.run(windows).logits

    def run(self, windows):
        embeddings = self.embeddings(windows)
        logits = embeddings @ self.classifier.T
        scores = None if self.novelty is None else self.novelty.score(embeddings, logits)
        return Output(logits, embeddings, scores)

    def layers(self):
        mels = len(self.means)
        tensors = (Tensor(1, mels, FRAMES), Tensor(CHANNELS, mels, FRAMES))
        reach = Reach((1, 5), before=(0, 2), after=(0, 2))
        biases = np.zeros(CHANNELS, np.float32)
        convolution = Layer(
            *("convolve", (0,), 1, tensors[1], reach, (Step("relu"),)),
            weights=Weights(self.weights),
            biases=biases,
        )
        return Network(
            tensors,
            (convolution, Layer("summarize", (1,), None, tensors[1])),
            "mean",
            self.means,
            self.stds,
            Weights(self.classifier),
            np.zeros(len(self.classifier), np.float32),
            {} if self.novelty is None else read_novelty(novelty_graph(self.novelty)),
        )


def known_novelty(network, task, num_labels):
    rng = np.random.default_rng(1)
    windows = rng.normal(-40, 15, (60, len(network.means), FRAMES)).astype(np.float32)
    output = network.run(windows)
    targets = np.eye(num_labels)[np.arange(60) % num_labels]
    return fit_novelty(output.embeddings, output.logits, targets, task)


def write(spec, network, folder):
    source = write_source(spec, network, "model").with_comment(" *", "/* */")
    (folder / "model.h").write_text(source.header)
    (folder / "model.c").write_text(source.source)
    return source


RULES = {
    "binary": (BINARY, ["predict.pooling=attention", "predict.min_probability=0.6"]),
    "multi-class": (MULTI_CLASS, ["predict.pooling=max", "predict.overlap=0.5"]),
    "multi-label": (
        MULTI_LABEL,
        ["features.n_fft=600", "features.win_length=401", "features.power=1.0"],
    ),
}


@needs_compiler
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_of_the_decision_is_that_of_python(rule, tmp_path, short_sounds):
    task, settings = RULES[rule]
    labels = ("music", "speech") if task is BINARY else ("_background_", "music", 'a "*/" b')
    settings = ["predict.silence_db=-40", *settings]
    spec = ModelSpec(load_config(settings=settings), labels, FRAMES, task, temperature=1.5)
    network = SmallNetwork(40, spec.num_outputs)
    if task is MULTI_CLASS:
        network.novelty = known_novelty(network, task, len(labels))
        spec = replace(spec, known_scores=KnownScores((0.0, 1.0), (0.0, 1.0)))
    if task is MULTI_LABEL:
        spec = replace(spec, silence_label="music")
    write(spec, network.layers(), tmp_path)
    parity = compare_code(tmp_path, "model", Classifier(spec, network))
    assert parity.num_sounds == 6
    assert 0 < parity.largest_difference <= 1e-4
    assert parity.changed_decisions == 0


def test_a_graph_of_a_version_with_one_scale_gives_the_same_distances():
    novelty = known_novelty(SmallNetwork(40, 3), MULTI_CLASS, 3)
    one_scale = replace(novelty, scales=np.ones(3, np.float32))
    found = read_novelty(novelty_graph(one_scale))
    graph = novelty_graph(one_scale)
    # Such graphs have one over the number of channels in other factors.
    channels = novelty.centers.shape[1]
    for one in [*graph.initializer]:
        name = one.name.removeprefix("score/")
        if name == "weights":
            graph.initializer.remove(one)
        elif name in ("factors", "rest"):
            values = onnx.numpy_helper.to_array(one) / channels
            one.CopyFrom(onnx.numpy_helper.from_array(values, one.name))
    earlier = read_novelty(graph)
    for name in ("directions", "centers", "places", "shift", "usual"):
        np.testing.assert_allclose(earlier[name], found[name], rtol=1e-9, atol=1e-9)
    for name in ("factors", "rest"):
        expected = found[name] * found["weights"][0]
        np.testing.assert_allclose(earlier[name], expected, rtol=1e-9)


@needs_compiler
def test_the_check_notices_another_network_and_another_front_end(tmp_path, short_sounds):
    spec = ModelSpec(load_config(), ("music", "speech"), FRAMES)
    network, other = SmallNetwork(40, 1), SmallNetwork(40, 1)
    other.classifier = other.classifier * 1.01
    write(spec, network.layers(), tmp_path)
    with pytest.raises(ExportError, match="outputs differ"):
        compare_code(tmp_path, "model", Classifier(spec, other))
    # No band reaches the network, so that only the comparison of frames can tell.
    features = spec.config.features.model_copy(update={"f_max": 7900.0})
    config = spec.config.model_copy(update={"features": features})
    network.classifier = network.classifier * 0
    write(replace(spec, config=config), network.layers(), tmp_path)
    with pytest.raises(ExportError, match="frame values differ"):
        compare_code(tmp_path, "model", Classifier(spec, network))


@needs_compiler
def test_a_model_is_exported_and_an_example_predicts_with_it(
    tmp_path, monkeypatch, write_clip, short_sounds
):
    monkeypatch.setattr("earmark.exporters.c.export.measure_flash", lambda *_: None)
    folder = tmp_path / "out"
    exported = export("speech-music", folder, to="c")
    assert exported.parity.num_sounds == 6
    assert exported.parity.largest_difference <= 1e-5
    assert sorted(path.name for path in folder.iterdir()) == ["model.c", "model.h"]
    header = (folder / "model.h").read_text()
    assert f"RAM: {exported.ram_bytes:,} bytes" in header
    assert "Verified on 6 sounds" in header
    example = Path(__file__).parents[3] / "examples" / "c" / "classify_wav.c"
    compile_c(folder, [str(example), "-D_POSIX_C_SOURCE", "-o", "classify", "model.c", "-lm"])
    clip = write_clip(tmp_path / "a.wav", 3.3, 16_000, "noise")
    expected = Classifier.load("speech-music").predict(clip)
    lines = subprocess.run(
        [folder / "classify", clip], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = {label: float(value) for value, label in map(str.split, lines[1:])}
    assert found == pytest.approx(expected.probabilities, abs=1e-4)
    check_replacement(folder)


def check_replacement(folder):
    """An export of the same weights is replaced, anything else is not."""
    export("speech-music", folder, to="c", verify=False)
    assert "NOT VERIFIED" in (folder / "model.h").read_text()
    (folder / "model.h").write_text("mine")
    with pytest.raises(ConfigError, match="--overwrite"):
        export("speech-music", folder, to="c", verify=False)
    assert (folder / "model.h").read_text() == "mine"


def compile_c(folder, arguments):
    subprocess.run(["cc", *WARNINGS, "-O1", "-I.", *arguments], cwd=folder, check=True)


def test_without_a_compiler_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ConfigError, match="--no-verify"):
        export("speech-music", tmp_path / "out", to="c")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["2nd", "a-b", "Model", "a" * 32, "", "math"])
def test_a_name_that_c_does_not_take_is_refused(name, tmp_path):
    with pytest.raises(ConfigError, match="--name"):
        export("speech-music", tmp_path / "out", to="c", name=name)


@needs_compiler
def test_the_state_has_the_size_that_is_announced(tmp_path):
    spec = ModelSpec(load_config(), ("music", "speech"), FRAMES)
    source = write(spec, SmallNetwork(40, 1).layers(), tmp_path)
    check = f"typedef char size[sizeof(model_state) == {source.state_bytes} ? 1 : -1];"
    (tmp_path / "size.c").write_text(f'#include "model.h"\n{check}\n')
    compile_c(tmp_path, ["-c", "size.c"])
    assert not re.search(r"\b(malloc|calloc|free)\b", source.source)


@needs_compiler
@pytest.mark.parametrize("value", ["NAN", "INFINITY"])
def test_samples_that_are_not_finite_are_noticed(value, tmp_path):
    spec = ModelSpec(load_config(), ("music", "speech"), FRAMES)
    write(spec, SmallNetwork(40, 1).layers(), tmp_path)
    (tmp_path / "main.c").write_text(
        '#include "model.h"\n#include <math.h>\n'
        "static model_state state; static float samples[16000];\n"
        "int main(void) { model_prediction found; model_init(&state);\n"
        f"samples[8000] = {value}; model_push_samples(&state, samples, 16000);\n"
        "return model_result(&state, &found) != MODEL_NOT_FINITE; }\n"
    )
    compile_c(tmp_path, ["-o", "main", "main.c", "model.c", "-lm"])
    assert subprocess.run([tmp_path / "main"], check=False).returncode == 0


@needs_compiler
@pytest.mark.parametrize("name", ["check", "least"])
def test_a_name_hides_none_of_the_programs_beside_it(name, tmp_path):
    spec = ModelSpec(load_config(), ("music", "speech"), FRAMES)
    network = SmallNetwork(40, 1)
    source = write_source(spec, network.layers(), name).with_comment(" *", "/* */")
    (tmp_path / f"{name}.h").write_text(source.header)
    (tmp_path / f"{name}.c").write_text(source.source)
    compile_check(tmp_path, name)
    assert measure_flash(tmp_path, name)
    assert (tmp_path / f"{name}.c").read_text() == source.source
