import numpy as np
import pytest
import torch

from earmark.config import ModelConfig
from earmark.errors import CheckpointError
from earmark.inference.backend import Backend, FiniteBackend, FullBackend, Output, run_backend
from earmark.inference.onnx_backend import open_onnx
from earmark.inference.torch_backend import TorchBackend
from earmark.models.architectures.registry import InputShape, build_model
from earmark.models.pretrained import find_model
from earmark.tasks.novelty import fit_novelty
from earmark.tasks.task import MULTI_CLASS


def test_both_backends_and_any_function_run_a_network():
    spec, onnx = open_onnx(find_model("speech-music"))
    network = build_model(ModelConfig(), InputShape(40, 51), 2)
    in_torch = TorchBackend(network, torch.device("cpu"))
    for backend in (onnx, in_torch, lambda windows: windows):
        assert isinstance(backend, Backend)
    shape = (3, spec.config.features.n_mels, spec.window_frames)
    assert onnx(np.zeros(shape, np.float32)).shape == (3, spec.num_outputs)
    assert in_torch(np.zeros((4, 40, 51), np.float32)).shape == (4, 2)


def test_a_backend_also_gives_embeddings_and_novelty_if_it_has_them(rng):
    windows = rng.normal(size=(4, 40, 51)).astype(np.float32)
    network = build_model(ModelConfig(), InputShape(40, 51), 2)
    plain = run_backend(TorchBackend(network, torch.device("cpu")), windows)
    targets = np.eye(2)[[0, 1, 0, 1]]
    novelty = fit_novelty(plain.embeddings, plain.logits, targets, MULTI_CLASS)
    output = run_backend(TorchBackend(network, torch.device("cpu"), novelty), windows)
    np.testing.assert_array_equal(output.novelty, novelty.score(plain.embeddings, plain.logits))
    spec, packaged = open_onnx(find_model("speech-music"))
    others = np.zeros((1, spec.config.features.n_mels, spec.window_frames), np.float32)
    found = run_backend(packaged, others)
    assert (found.embeddings.shape, found.novelty) == ((1, 160), None)
    found = run_backend(lambda windows: windows.mean(axis=2), others)
    assert (found.embeddings, found.novelty) == (None, None)


def test_logits_that_are_not_finite_are_refused_in_every_way():
    class Broken:
        def __call__(self, windows):
            return self.run(windows).logits

        def run(self, windows):
            return Output(np.full((len(windows), 1), np.nan), novelty=np.ones(len(windows)))

    assert isinstance(Broken(), FullBackend)
    backend = FiniteBackend(Broken(), "model")
    for run in (backend, backend.run):
        with pytest.raises(CheckpointError, match="model"):
            run(np.zeros((1, 40, 51), np.float32))
