import numpy as np
import torch

from earmark.inference.backend import Backend
from earmark.inference.onnx_backend import open_onnx
from earmark.inference.torch_backend import TorchBackend
from earmark.models.pretrained import find_model


def test_both_backends_and_any_function_run_a_network():
    spec, onnx = open_onnx(find_model("speech-music"))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 2))
    for backend in (onnx, TorchBackend(network, torch.device("cpu")), lambda windows: windows):
        assert isinstance(backend, Backend)
    shape = (3, spec.config.features.n_mels, spec.window_frames)
    assert onnx(np.zeros(shape, np.float32)).shape == (3, spec.num_outputs)
    assert TorchBackend(network, torch.device("cpu"))(np.zeros((4, 2, 3), np.float32)).shape == (
        4,
        2,
    )
