"""Every registered architecture exports, with the outputs of PyTorch."""

import json
import logging
import subprocess
import sys

import numpy as np
import onnx
import pytest
import soundfile
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from earmark.audio.reading import load_audio
from earmark.data.demo import demo_data
from earmark.errors import AudioError, CheckpointError, ConfigError, ExportError
from earmark.exporters.graph_form import GraphForm
from earmark.exporters.onnx_graph import INTERFACE_VERSION, OPSET
from earmark.exporters.targets import export
from earmark.inference.classifier import Classifier
from earmark.inference.onnx_backend import LOG_MEL, LOGITS, WAVEFORM, start_session
from earmark.models.architectures.registry import list_models
from earmark.system.hashing import content_hash
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

SECONDS = (0.1, 0.98, 1.0, 2.5, 4.0)
# Heads, tasks, poolings and overlaps are combined, so that few exports cover them all.
MODELS = {
    "audio_cnn": (["predict.overlap=0.5"], BINARY),
    "audio_cnn flatten": (["model.head=flatten", "predict.pooling=max"], MULTI_CLASS),
    "audio_cnn mean_max": (["model.head=mean_max", "predict.overlap=0.5"], MULTI_LABEL),
    "bc_resnet": (["model.name=bc_resnet"], MULTI_LABEL),
    "linear": (["model.name=linear"], MULTI_CLASS),
    "cp_resnet": (["model.name=cp_resnet", "model.width=0.25"], MULTI_CLASS),
}


def sounds(rng, seconds):
    length = round(seconds * 16_000)
    loudness = np.abs(np.sin(np.arange(length) / 3000))
    return (rng.normal(0, 0.2, (3, length)) * [[1.0], [0.01], [0.3]] * loudness).astype(np.float32)


def test_every_architecture_is_exported():
    exported_names = {name.split()[0] for name in MODELS}
    assert exported_names == set(list_models())


@pytest.mark.parametrize("name", MODELS)
def test_an_exported_model_equals_its_original(
    name, tmp_path, monkeypatch, write_clip, rng, sharp_checkpoint
):
    """One test, so that no model is exported twice."""
    monkeypatch.setattr("earmark.exporters.parity.PARITY_SECONDS", (0.1, 1.03, 2.5))
    # One long sound is enough.
    monkeypatch.setattr(
        "earmark.exporters.parity.LONG_SECONDS", 60.0 if name == "audio_cnn" else 5.0
    )
    model, path = tmp_path / "model.safetensors", tmp_path / "model.onnx"
    texts, task = MODELS[name]
    sharp_checkpoint(texts, task).save(model)
    result = export(str(model), str(path), licence="CC0-1.0")
    assert (result.path, result.form) == (path, GraphForm())
    assert result.num_bytes == path.stat().st_size
    assert 0 < result.parity.largest_difference <= 1e-4
    original, exported = Classifier.load(model, device="cpu"), Classifier.load(path)
    check_graph(path, original.spec)
    check_waveforms(path, original, rng)
    check_classifier(exported, original, write_clip(tmp_path / "a.wav", 3.3, 22_050, "noise"))


def check_waveforms(path, original, rng):
    session = start_session(path.read_bytes(), "test")
    spread = []
    for seconds in SECONDS:
        batch = sounds(rng, seconds)
        expected = [list(original.predict(sound).probabilities.values()) for sound in batch]
        (together,) = session.run(None, {WAVEFORM: batch})
        # Within what the rounding of single frames may do.
        np.testing.assert_allclose(together, expected, atol=1e-3)
        alone = [session.run(None, {WAVEFORM: sound[None]})[0][0] for sound in batch]
        np.testing.assert_allclose(together, alone, atol=1e-6)
        spread += [one[0] for one in expected]
    assert np.ptp(spread) > 0.01


def check_graph(path, spec):
    """It has standard operators only, and metadata that describe the model."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", OPSET)]
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    facts = {one.key: one.value for one in model.metadata_props}
    assert json.loads(facts["labels"]) == list(spec.labels)
    assert json.loads(facts["thresholds"]) == list(spec.thresholds)
    assert (facts["sample_rate"], facts["temperature"]) == ("16000", "1.5")
    assert (facts["task"], facts["licence"]) == (spec.task.name, "CC0-1.0")
    meta = start_session(path.read_bytes(), "test").get_modelmeta()
    assert meta.version == INTERFACE_VERSION
    for text in (*spec.labels, spec.task.title, "16000", WAVEFORM):
        assert text in meta.description
    assert json.loads(facts["earmark"])["config"] == spec.config.to_dict()
    assert b"earmark/models" not in path.read_bytes()


def check_classifier(exported, original, path):
    assert exported.spec == original.spec
    assert exported.predict(path).labels == original.predict(path).labels
    for one, other in zip(exported.windows(path), original.windows(path), strict=True):
        assert one[:2] == other[:2]
        # PyTorch's own logits depend on the batch by as much, with weights so large.
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-3)


@pytest.fixture(scope="session")
def small(tmp_path_factory, sharp_checkpoint):
    path = tmp_path_factory.mktemp("small") / "model.safetensors"
    block = "{channels=4, pool_size=[4, 4]}"
    sharp_checkpoint([f"model.blocks=[{block}]"], BINARY).save(path)
    return path


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("earmark.exporters.parity.PARITY_SECONDS", (1.0, 2.5))
    monkeypatch.setattr("earmark.exporters.parity.LONG_SECONDS", 5.0)


def test_a_waveform_shorter_than_predict_takes_is_an_error(quick, tmp_path):
    path = export("speech-music", tmp_path / "model.onnx").path
    session = start_session(path.read_bytes(), "test")
    for num_samples in (0, 100, 1599):
        with pytest.raises(InvalidArgument, match="1600 samples"):
            session.run(None, {WAVEFORM: np.zeros((2, num_samples), np.float32)})
        with pytest.raises(AudioError):
            Classifier.load("speech-music").predict(np.zeros(num_samples))
    assert session.run(None, {WAVEFORM: np.zeros((2, 1600), np.float32)})[0].shape == (2, 2)


def test_the_model_of_the_package_is_exported_with_the_same_outputs(quick, tmp_path, rng):
    path = export("speech-music", tmp_path / "model.onnx").path
    original, session = Classifier.load("speech-music"), start_session(path.read_bytes(), "test")
    with demo_data() as folder:
        real = [load_audio(one, 16_000).samples for one in sorted(folder.rglob("*.flac"))[::20]]
    clips = [*real, *sounds(rng, 2.5), *sounds(rng, 0.1)]
    for clip in clips:
        expected = list(original.predict(clip).probabilities.values())
        (found,) = session.run(None, {WAVEFORM: clip[None]})
        np.testing.assert_allclose(found[0], expected, atol=1e-3)
    check_classifier(Classifier.load(path), original, _write(tmp_path / "a.wav", np.hstack(real)))


def _write(path, samples):
    soundfile.write(path, samples, 16_000)
    return path


def test_an_export_of_an_export_is_the_same_model(small, quick, tmp_path):
    paths = [tmp_path / f"{number}.onnx" for number in range(3)]
    export(small, paths[0], licence="MIT")
    export(paths[0], paths[1], takes="log-mel")
    assert export(paths[1], paths[2]).parity.largest_difference <= 1e-5
    for path in paths[1:]:
        assert Classifier.load(path).spec == Classifier.load(small).spec
        facts = {one.key: one.value for one in onnx.load(path).metadata_props}
        assert facts["licence"] == "MIT"
        assert facts["weights_digest"] == content_hash(small)


def test_an_earlier_export_of_the_same_model_is_replaced(quick, tmp_path):
    path = tmp_path / "model.onnx"
    before = export("speech-music", path, licence="MIT").num_bytes
    assert export("speech-music", path, licence="CC-BY-4.0").num_bytes > before
    assert export(path, path).num_bytes > before


@pytest.mark.parametrize(
    "there", ["text", "folder", "foreign", "other input", "static", "other weights"]
)
def test_another_file_is_replaced_only_if_that_is_said(small, quick, tmp_path, there):
    path = tmp_path / "model.onnx"
    if there == "text":
        path.write_text("my notes")
    elif there == "folder":
        path.mkdir()
    elif there == "foreign":
        onnx.save(_foreign_model(), path)
    elif there == "other input":
        export("speech-music", path, takes="log-mel")
    elif there == "static":
        export("speech-music", path, static=True)
    else:
        export(small, path)
    before = None if there == "folder" else path.read_bytes()
    with pytest.raises(ConfigError, match=r"model\.onnx: .*--overwrite"):
        export("speech-music", path)
    if before is not None:
        assert path.read_bytes() == before
        export("speech-music", path, overwrite=True)
        assert Classifier.load(path).spec == Classifier.load("speech-music").spec


def _foreign_model():
    text = "<ir_version: 10, opset_import: ['' : 18]> g (float[n] x) => (float[n] y) {y = Abs (x)}"
    return onnx.parser.parse_model(text.replace("'", '"'))


def test_operators_of_another_version_are_refused(quick, tmp_path):
    path = export("speech-music", tmp_path / "old.onnx", takes="log-mel").path
    model = onnx.load(path)
    model.opset_import[0].version = 17
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match=r"old\.onnx"):
        export(path, tmp_path / "new.onnx")


def test_the_log_mel_graph_is_the_network(small, quick, tmp_path, sharp_checkpoint):
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    result = export(small, tmp_path / "model.onnx", takes="log-mel")
    # The loggers of PyTorch stay as they are.
    assert logger.level == before
    assert result.parity.num_sounds == 5
    session = start_session(result.path.read_bytes(), "test")
    assert [(one.name, one.shape[1:]) for one in session.get_inputs()] == [(LOG_MEL, [1, 40, 51])]
    network = sharp_checkpoint(["model.blocks=[{channels=4, pool_size=[4, 4]}]"], BINARY).build()
    windows = torch.randn(7, 1, 40, 51) * 15 - 50
    (logits,) = session.run([LOGITS], {LOG_MEL: windows.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, network(windows), atol=1e-4)


@pytest.mark.parametrize(("seconds", "num_windows"), [(None, 1), (2.5, 3)])
def test_a_graph_of_fixed_shapes_predicts_one_length(quick, tmp_path, rng, seconds, num_windows):
    options = {"static": True} if seconds is None else {"seconds": seconds}
    result = export("speech-music", tmp_path / "model.onnx", **options)
    shape = (1, round((seconds or 1.0) * 16_000))
    assert result.to_dict()["shape"] == shape
    graph = onnx.load(result.path).graph
    sizes = {
        one.name: tuple(size.dim_value for size in one.type.tensor_type.shape.dim)
        for one in (*graph.input, *graph.value_info, *graph.output)
    }
    assert sizes[LOG_MEL] == (num_windows, 1, 40, 51)
    assert all(min(one, default=1) > 0 for one in sizes.values())
    session = start_session(result.path.read_bytes(), "test")
    original = Classifier.load("speech-music")
    (sound,) = sounds(rng, shape[1] / 16_000)[:1]
    (found,) = session.run(None, {WAVEFORM: sound[None]})
    np.testing.assert_allclose(
        found[0], list(original.predict(sound).probabilities.values()), atol=1e-3
    )
    # earmark has its own front end and windows, so that any length can be predicted.
    exported = Classifier.load(result.path)
    for other in (0.1, 4.0):
        (sound,) = sounds(rng, other)[:1]
        np.testing.assert_allclose(
            list(exported.predict(sound).probabilities.values()),
            list(original.predict(sound).probabilities.values()),
            atol=1e-4,
        )
    with pytest.raises(CheckpointError, match=r"model\.onnx: its shapes are fixed"):
        export(result.path, tmp_path / "other.onnx")


def test_a_log_mel_graph_of_fixed_shapes_takes_one_window(quick, tmp_path):
    result = export("speech-music", tmp_path / "model.onnx", takes="log-mel", static=True)
    session = start_session(result.path.read_bytes(), "test")
    assert session.get_inputs()[0].shape == [1, 1, 40, 51]
    assert session.get_outputs()[0].shape == [1, 2]
    assert result.parity.largest_difference <= 1e-6


@pytest.mark.parametrize("wrong", [0.5, np.nan])
def test_a_graph_with_other_outputs_is_not_written(quick, tmp_path, monkeypatch, wrong):
    name = "earmark.exporters.front_end_graph.hann_window"
    monkeypatch.setattr(name, lambda *lengths: np.full(1024, wrong))
    with pytest.raises(ExportError, match=r"model\.onnx: .*0\.0001"):
        export("speech-music", tmp_path / "model.onnx")
    assert list(tmp_path.glob("**/*.onnx*")) == []


@pytest.mark.parametrize("output", ["model.pt", "model"])
def test_a_name_of_another_format_is_refused(small, tmp_path, output):
    with pytest.raises(ConfigError, match=rf"{output}: .*\.onnx"):
        export(small, tmp_path / output)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_package_is_named(package):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import earmark\n"
        "try:\n"
        "    earmark.export('run', 'model.onnx')\n"
        "except earmark.MissingExtraError as error:\n"
        "    print(error.package, error.extra)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.split() == [package, "onnx"]
