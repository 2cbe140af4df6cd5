"""Every registered architecture exports, and says in ONNX what it says in PyTorch."""

import json

import numpy as np
import onnx
import pytest
import torch

from earmark.config import load_config
from earmark.data.demo import demo_data
from earmark.errors import ExportError
from earmark.exporters.onnx import export
from earmark.exporters.onnx_graph import OPSET
from earmark.features.log_mel import LogMel, extract
from earmark.features.windows import cut_window
from earmark.inference.classifier import Classifier
from earmark.inference.onnx_backend import LOG_MEL, LOGITS, WAVEFORM, start_session
from earmark.models.architectures.registry import list_models
from earmark.models.checkpoint import Checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

SECONDS = (0.1, 0.98, 1.0, 2.5, 4.0)
# The head, the task, the pooling and the overlap take turns, so that few exports prove them all.
MODELS = {
    "audio_cnn": (["predict.overlap=0.5"], BINARY),
    "audio_cnn flatten": (["model.head=flatten", "predict.pooling=max"], MULTI_CLASS),
    "audio_cnn mean_max": (["model.head=mean_max", "predict.overlap=0.5"], MULTI_LABEL),
    "bc_resnet": (["model.name=bc_resnet"], MULTI_LABEL),
    "cp_resnet": (["model.name=cp_resnet", "model.width=0.25"], MULTI_CLASS),
}


def sharp_checkpoint(texts, task):
    """A network whose probabilities are all over the range, as those of a trained one."""
    torch.manual_seed(0)
    labels = ("music", "speech") if task is BINARY else ("music", "noise", "speech")
    spec = ModelSpec(load_config(settings=texts), labels, 51, task, temperature=1.5)
    network = new_network(spec)
    log_mel = LogMel(spec.config.features)
    with demo_data() as folder:
        clips = [extract(path, log_mel).frames for path in sorted(folder.rglob("*.flac"))]
    windows = torch.from_numpy(np.stack([cut_window(clip, 0, 51) for clip in clips]))[:, None]
    network.input_norm.fit(windows.mean(dim=(0, 1, 3)), windows.std(dim=(0, 1, 3)))
    with torch.no_grad():
        for _ in range(30):
            network.train()(windows)
        logits = network.eval()(windows)
        network.classifier.weight *= 4 / logits.std(dim=0)[:, None]
        network.classifier.bias -= network(windows).mean(dim=0)
    return Checkpoint(spec, network.state_dict())


@pytest.fixture(scope="module", params=MODELS)
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.replace(" ", "_"))
    texts, task = MODELS[request.param]
    sharp_checkpoint(texts, task).save(folder / "model.safetensors")
    path = folder / "model.onnx"
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "audio_cnn":
            # Ten minutes once are enough.
            patch.setattr("earmark.exporters.onnx.LONG_SECONDS", 20.0)
        return export(folder / "model.safetensors", path, licence="CC0-1.0"), folder


def sounds(rng, seconds):
    length = round(seconds * 16_000)
    loudness = np.abs(np.sin(np.arange(length) / 3000))
    return (rng.normal(0, 0.2, (3, length)) * [[1.0], [0.01], [0.3]] * loudness).astype(np.float32)


def test_every_architecture_is_exported():
    exported_names = {name.split()[0] for name in MODELS}
    assert exported_names == set(list_models())


def test_a_waveform_gets_the_probabilities_of_pytorch(exported, rng):
    result, folder = exported
    assert 0 < result.parity.largest_difference <= 1e-4
    session = start_session(result.path.read_bytes(), "test")
    classifier = Classifier.load(folder / "model.safetensors", device="cpu")
    spread = []
    for seconds in SECONDS:
        batch = sounds(rng, seconds)
        expected = [list(classifier.predict(sound).probabilities.values()) for sound in batch]
        (together,) = session.run(None, {WAVEFORM: batch})
        # Within what the rounding of single frames may do.
        np.testing.assert_allclose(together, expected, atol=1e-3)
        alone = [session.run(None, {WAVEFORM: sound[None]})[0][0] for sound in batch]
        np.testing.assert_allclose(together, alone, atol=1e-6)
        spread += [one[0] for one in expected]
    assert np.ptp(spread) > 0.01


def test_the_graph_is_standard_and_tells_what_it_is(exported):
    result, folder = exported
    model = onnx.load(result.path)
    onnx.checker.check_model(model, full_check=True)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", OPSET)]
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    facts = {one.key: one.value for one in model.metadata_props}
    spec = Classifier.load(folder / "model.safetensors", device="cpu").spec
    assert json.loads(facts["labels"]) == list(spec.labels)
    assert json.loads(facts["thresholds"]) == list(spec.thresholds)
    assert (facts["sample_rate"], facts["temperature"]) == ("16000", "1.5")
    assert (facts["task"], facts["licence"]) == (spec.task.name, "CC0-1.0")
    assert json.loads(facts["earmark"])["config"] == spec.config.to_dict()
    assert b"earmark/models" not in result.path.read_bytes()


def test_earmark_opens_it_and_judges_alike(exported, write_clip, tmp_path):
    result, folder = exported
    path = write_clip(tmp_path / "a.wav", seconds=3.3, sample_rate=22_050, kind="noise")
    original = Classifier.load(folder / "model.safetensors", device="cpu")
    opened = Classifier.load(result.path)
    assert opened.spec == original.spec
    assert opened.predict(path).labels == original.predict(path).labels
    pairs = zip(opened.windows(path), original.windows(path), strict=True)
    for one, other in pairs:
        assert one[:2] == other[:2]
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "model.safetensors"
    block = "{channels=4, pool_size=[4, 4]}"
    sharp_checkpoint([f"model.blocks=[{block}]"], BINARY).save(path)
    return path


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("earmark.exporters.onnx.PARITY_SECONDS", (1.0, 2.5))
    monkeypatch.setattr("earmark.exporters.onnx.LONG_SECONDS", 5.0)


def test_the_log_mel_graph_is_the_network(small, quick, tmp_path):
    result = export(small, tmp_path / "model.onnx", takes="log-mel")
    assert result.parity.num_sounds == 5
    session = start_session(result.path.read_bytes(), "test")
    assert [(one.name, one.shape[1:]) for one in session.get_inputs()] == [(LOG_MEL, [1, 40, 51])]
    network = sharp_checkpoint(["model.blocks=[{channels=4, pool_size=[4, 4]}]"], BINARY).build()
    windows = torch.randn(7, 1, 40, 51) * 15 - 50
    (logits,) = session.run([LOGITS], {LOG_MEL: windows.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, network(windows), atol=1e-4)


@pytest.mark.parametrize("wrong", [0.5, np.nan])
def test_a_graph_that_says_something_else_is_not_written(
    small, quick, tmp_path, monkeypatch, wrong
):
    name = "earmark.exporters.onnx_graph.hann_window"
    monkeypatch.setattr(name, lambda *lengths: np.full(1024, wrong))
    with pytest.raises(ExportError, match=r"model\.onnx: not written.*differ by up to"):
        export(small, tmp_path / "model.onnx")
    assert list(tmp_path.glob("**/*.onnx*")) == []
