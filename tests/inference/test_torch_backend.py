"""Networks in PyTorch made ready to judge; whole files are judged in test_classifier.py."""

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
CARD = ModelSpec(
    load_config(settings=["model.blocks.0.channels=4"]), ("a", "b", "c"), 51, MULTI_CLASS
)


def fresh_network(spec=CARD):
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
    Checkpoint(CARD, fresh_network().state_dict()).save(path)
    return path


def expected_of(network, windows):
    with torch.no_grad():
        return network.eval()(torch.from_numpy(windows)[:, None]).numpy()


def test_a_run_folder_and_its_file_judge_as_the_saved_network_does(saved, windows):
    expected = expected_of(fresh_network(), windows)
    for path in (saved, saved.parent):
        spec, judge = open_checkpoint(path, "cpu")
        assert spec == CARD
        np.testing.assert_allclose(judge(windows), expected, atol=1e-5)


def test_a_network_in_training_is_judged_as_it_is_used_and_left_as_it_is(windows):
    network = fresh_network().train()
    before = {name: one.clone() for name, one in network.state_dict().items()}
    judge = TorchBackend(network, CPU)
    said = judge(windows)
    np.testing.assert_allclose(said, expected_of(fresh_network(), windows), atol=1e-5)
    np.testing.assert_array_equal(judge(windows), said)
    for name, one in network.state_dict().items():
        assert torch.equal(one, before[name]), name
    assert all(one.grad is None for one in network.parameters())


def test_logits_are_plain_numbers_a_row_a_window(windows):
    said = TorchBackend(fresh_network(), CPU)(windows)
    assert (said.shape, said.dtype) == ((7, 3), np.float32)
    said += 1


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=9))
def test_a_window_is_judged_alike_in_any_company(rows):
    windows = np.random.default_rng(0).normal(-40, 15, (7, 40, 51)).astype(np.float32)
    alone = np.concatenate([SHARED(windows[[row]]) for row in range(7)])
    np.testing.assert_allclose(SHARED(windows[rows]), alone[rows], atol=1e-5)


SHARED = TorchBackend(fresh_network(), CPU)


def test_windows_may_lie_in_memory_as_they_are_cut(windows):
    """Windows are cut out of frames, bands first: their values are no neighbours there."""
    frames_first = np.ascontiguousarray(windows.transpose(0, 2, 1))
    assert not frames_first.transpose(0, 2, 1).flags.c_contiguous
    np.testing.assert_allclose(SHARED(frames_first.transpose(0, 2, 1)), SHARED(windows), atol=1e-5)


def test_threads_judge_at_once_without_touching_each_other(windows):
    """None of them records what gradients would need, whichever thread opened the model."""
    expected = [SHARED(windows + offset) for offset in range(4)]
    barrier, found = threading.Barrier(4), {}

    def judge(offset):
        barrier.wait(30)
        found[offset] = [SHARED(windows + offset) for _ in range(10)]
        assert torch.is_grad_enabled()

    threads = [threading.Thread(target=judge, args=(offset,)) for offset in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    for offset in range(4):
        for said in found[offset]:
            np.testing.assert_array_equal(said, expected[offset])


@pytest.mark.parametrize("name", list_models())
def test_every_architecture_opens(tmp_path, windows, name):
    spec = ModelSpec(load_config(settings=[f"model.name={name}"]), CARD.labels, 51, MULTI_CLASS)
    network = fresh_network(spec)
    Checkpoint(spec, network.state_dict()).save(tmp_path / "m.safetensors")
    _, judge = open_checkpoint(tmp_path / "m.safetensors", "cpu")
    np.testing.assert_allclose(judge(windows), expected_of(network, windows), atol=1e-4)


def test_a_device_that_is_not_here_is_one_line(saved, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="cuda"):
        open_checkpoint(saved, "cuda")
    with pytest.raises(ConfigError, match="tpu"):
        open_checkpoint(saved, "tpu")


def test_weights_of_another_network_are_refused(saved):
    weights = dict(load_checkpoint(saved).model)
    weights["classifier.bias"] = torch.zeros(4)
    Checkpoint(CARD, weights).save(saved)
    with pytest.raises(CheckpointError, match=r"do not fit its settings.*classifier\.bias"):
        open_checkpoint(saved, "cpu")
