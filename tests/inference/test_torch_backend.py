"""Networks in PyTorch as backends; whole files are predicted in test_classifier.py."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.config import load_config
from earmark.errors import CheckpointError, ConfigError
from earmark.inference.torch_backend import TorchBackend, open_checkpoint
from earmark.models.architectures.registry import list_models
from earmark.models.checkpoint import Checkpoint, load_checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.tasks.task import MULTI_CLASS

CPU = torch.device("cpu")
SPEC = ModelSpec(
    load_config(settings=["model.blocks.0.channels=4"]), ("a", "b", "c"), 51, MULTI_CLASS
)


def fresh_network(spec=SPEC):
    """With batch statistics, so that training mode and evaluation mode differ."""
    torch.manual_seed(0)
    network = new_network(spec)
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return network


@pytest.fixture
def windows(rng):
    return rng.normal(-40, 15, (7, 40, 51)).astype(np.float32)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "best.safetensors"
    Checkpoint(SPEC, fresh_network().state_dict()).save(path)
    return path


def expected_of(network, windows):
    with torch.no_grad():
        return network.eval()(torch.from_numpy(windows)[:, None]).numpy()


def test_a_run_folder_and_its_file_give_the_logits_of_the_saved_network(saved, windows):
    expected = expected_of(fresh_network(), windows)
    for path in (saved, saved.parent):
        spec, backend = open_checkpoint(path, "cpu")
        assert spec == SPEC
        np.testing.assert_allclose(backend(windows), expected, atol=1e-5)


def test_a_network_in_training_is_evaluated_and_its_weights_stay(windows):
    network = fresh_network().train()
    before = {name: one.clone() for name, one in network.state_dict().items()}
    backend = TorchBackend(network, CPU)
    logits = backend(windows)
    np.testing.assert_allclose(logits, expected_of(fresh_network(), windows), atol=1e-5)
    np.testing.assert_array_equal(backend(windows), logits)
    for name, one in network.state_dict().items():
        assert torch.equal(one, before[name]), name
    assert all(one.grad is None for one in network.parameters())


def test_logits_are_an_array_of_a_row_a_window(windows):
    logits = TorchBackend(fresh_network(), CPU)(windows)
    assert (logits.shape, logits.dtype) == ((7, 3), np.float32)
    logits += 1


@settings(max_examples=10)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=9))
def test_the_logits_of_a_window_do_not_depend_on_its_batch(rows):
    windows = np.random.default_rng(0).normal(-40, 15, (7, 40, 51)).astype(np.float32)
    alone = np.concatenate([SHARED(windows[[row]]) for row in range(7)])
    np.testing.assert_allclose(SHARED(windows[rows]), alone[rows], atol=1e-5)


SHARED = TorchBackend(fresh_network(), CPU)


def test_windows_may_lie_in_memory_as_they_are_cut(windows):
    """Windows are cut out of frames, bands first, so their values are not contiguous."""
    frames_first = np.ascontiguousarray(windows.transpose(0, 2, 1))
    assert not frames_first.transpose(0, 2, 1).flags.c_contiguous
    np.testing.assert_allclose(SHARED(frames_first.transpose(0, 2, 1)), SHARED(windows), atol=1e-5)


def test_threads_may_share_a_backend(windows):
    """Gradients stay enabled elsewhere, whichever thread opened the model."""
    expected = [SHARED(windows + offset) for offset in range(4)]
    barrier, found = threading.Barrier(4), {}

    def run(offset):
        barrier.wait(30)
        found[offset] = [SHARED(windows + offset) for _ in range(10)]
        assert torch.is_grad_enabled()

    threads = [threading.Thread(target=run, args=(offset,)) for offset in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    for offset in range(4):
        for logits in found[offset]:
            np.testing.assert_array_equal(logits, expected[offset])


@pytest.mark.parametrize("name", list_models())
def test_every_architecture_opens(tmp_path, windows, name):
    spec = ModelSpec(load_config(settings=[f"model.name={name}"]), SPEC.labels, 51, MULTI_CLASS)
    network = fresh_network(spec)
    Checkpoint(spec, network.state_dict()).save(tmp_path / "m.safetensors")
    _, backend = open_checkpoint(tmp_path / "m.safetensors", "cpu")
    np.testing.assert_allclose(backend(windows), expected_of(network, windows), atol=1e-4)


def test_a_device_that_is_not_here_is_one_line(saved, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="cuda"):
        open_checkpoint(saved, "cuda")
    with pytest.raises(ConfigError, match="tpu"):
        open_checkpoint(saved, "tpu")


def test_weights_of_another_network_are_refused(saved):
    weights = dict(load_checkpoint(saved).model)
    weights["classifier.bias"] = torch.zeros(4)
    Checkpoint(SPEC, weights).save(saved)
    with pytest.raises(CheckpointError, match=r"classifier\.bias"):
        open_checkpoint(saved, "cpu")
