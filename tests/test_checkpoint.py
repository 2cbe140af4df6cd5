import json

import pytest
import torch
from safetensors.torch import save_file

from earmark.checkpoint import (
    Checkpoint,
    ModelCard,
    flatten_optimizer,
    load_checkpoint,
    restore_optimizer,
)
from earmark.config import Config, load_config
from earmark.errors import CheckpointError

CARD = ModelCard(
    load_config(settings=["model.blocks.0.channels=4", "train.seed=7"]),
    ("music", "speech"),
    window_frames=60,
    threshold=0.4,
)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    model = CARD.build()
    path = tmp_path / "model.safetensors"
    Checkpoint(CARD, model.state_dict(), progress={"epoch": 3}).save(path)
    return path, model


def test_a_model_comes_back_with_all_that_it_needs(saved):
    path, model = saved
    checkpoint = load_checkpoint(path)
    assert checkpoint.card == CARD
    assert checkpoint.progress == {"epoch": 3}
    windows = torch.rand(2, 1, 40, 60)
    assert torch.equal(checkpoint.build()(windows), model.eval()(windows))


def test_the_same_model_gives_the_same_bytes(saved, tmp_path):
    path, model = saved
    Checkpoint(CARD, model.state_dict(), progress={"epoch": 3}).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_run_folder_stands_for_its_best_weights(saved, tmp_path):
    path, _ = saved
    path.rename(tmp_path / "best.safetensors")
    assert load_checkpoint(tmp_path).card == CARD


def test_the_optimizer_goes_on_as_if_it_had_never_stopped():
    def step(model, optimizer, seed):
        torch.manual_seed(seed)
        optimizer.zero_grad()
        model.train()(torch.rand(4, 1, 40, 60)).square().sum().backward()
        optimizer.step()

    def fresh():
        torch.manual_seed(1)
        model = CARD.build()
        return model, torch.optim.AdamW(model.parameters(), lr=0.01)

    model, optimizer = fresh()
    for seed in (1, 2):
        step(model, optimizer, seed)
    weights = {name: one.clone() for name, one in model.state_dict().items()}
    moments = {name: one.clone() for name, one in flatten_optimizer(optimizer).items()}
    step(model, optimizer, 3)

    twin, twin_optimizer = fresh()
    twin.load_state_dict(weights)
    restore_optimizer(twin_optimizer, moments)
    step(twin, twin_optimizer, 3)
    for name, one in model.state_dict().items():
        assert torch.equal(one, twin.state_dict()[name]), name


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing.safetensors: no such model"):
        load_checkpoint(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("cut", [0, 5, 400])
def test_a_damaged_file_is_refused(saved, cut):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"not a whole \.safetensors file"):
        load_checkpoint(path)


def test_foreign_weights_are_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="weights without earmark's settings"):
        load_checkpoint(path)


def test_a_newer_format_is_refused(tmp_path):
    path = tmp_path / "new.safetensors"
    save_file({"x": torch.zeros(1)}, path, {"earmark": json.dumps({"format": 999})})
    with pytest.raises(CheckpointError, match="written by a newer earmark"):
        load_checkpoint(path)


def test_weights_that_do_not_fit_are_refused(saved):
    path, model = saved
    card = ModelCard(Config(), CARD.labels, CARD.window_frames)
    Checkpoint(card, model.state_dict()).save(path)
    with pytest.raises(CheckpointError, match="do not fit the settings"):
        load_checkpoint(path).build()


def test_weights_that_are_not_finite_are_refused(saved):
    path, model = saved
    weights = dict(model.state_dict())
    weights["classifier.bias"] = torch.tensor([float("nan")])
    Checkpoint(CARD, weights).save(path)
    with pytest.raises(CheckpointError, match=r"classifier\.bias holds values that are not finite"):
        load_checkpoint(path)
