import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from earmark.config import MAX_WINDOW_VALUES, Config, load_config
from earmark.errors import CheckpointError, ConfigError
from earmark.models.architectures.registry import build_model
from earmark.models.checkpoint import (
    Checkpoint,
    flatten_optimizer,
    load_checkpoint,
    new_network,
    require_network,
    restore_optimizer,
)
from earmark.models.spec import ModelSpec
from earmark.tasks.novelty import fit_novelty
from earmark.tasks.task import BINARY

SPEC = ModelSpec(
    load_config(settings=["model.blocks.0.channels=4", "train.seed=7"]),
    ("music", "speech"),
    window_frames=60,
    chosen_thresholds=(0.4,),
)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    model = new_network(SPEC)
    path = tmp_path / "model.safetensors"
    Checkpoint(SPEC, model.state_dict(), progress={"epoch": 3}).save(path)
    return path, model


def test_a_model_comes_back_with_all_that_it_needs(saved):
    path, model = saved
    checkpoint = load_checkpoint(path)
    assert checkpoint.spec == SPEC
    assert checkpoint.progress == {"epoch": 3}
    windows = torch.rand(2, 1, 40, 60)
    assert torch.equal(checkpoint.build()(windows), model.eval()(windows))


def test_the_same_model_gives_the_same_bytes(saved, tmp_path):
    path, model = saved
    Checkpoint(SPEC, model.state_dict(), progress={"epoch": 3}).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_run_folder_stands_for_its_best_weights(saved, tmp_path):
    path, _ = saved
    path.rename(tmp_path / "best.safetensors")
    assert load_checkpoint(tmp_path).spec == SPEC


def test_the_optimizer_goes_on_as_if_it_had_never_stopped():
    def step(model, optimizer, seed):
        torch.manual_seed(seed)
        optimizer.zero_grad()
        model.train()(torch.rand(4, 1, 40, 60)).square().sum().backward()
        optimizer.step()

    def fresh():
        torch.manual_seed(1)
        model = new_network(SPEC)
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
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors"):
        load_checkpoint(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("cut", [0, 5, 400])
def test_a_damaged_file_is_refused(saved, cut):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=str(path)):
        load_checkpoint(path)


def test_foreign_weights_are_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=str(path)):
        load_checkpoint(path)


def test_a_newer_format_is_refused(tmp_path):
    path = tmp_path / "new.safetensors"
    save_file({"x": torch.zeros(1)}, path, {"earmark": json.dumps({"format": 999})})
    with pytest.raises(CheckpointError, match=str(path)):
        load_checkpoint(path)


def rewrite(path, change):
    """Saves the file again with its metadata changed: facts in, facts or text out."""
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["earmark"])
    text = change(facts)
    save_file(load_file(path), path, {"earmark": text if isinstance(text, str) else dumps(text)})


def dumps(facts):
    return json.dumps(facts, ensure_ascii=True)


def test_untouched_facts_are_taken(saved):
    path, _ = saved
    rewrite(path, lambda facts: facts)
    assert load_checkpoint(path).spec == SPEC


def test_a_model_from_before_there_was_a_temperature_keeps_its_logits(saved):
    path, _ = saved
    rewrite(
        path,
        lambda facts: (
            {key: one for key, one in facts.items() if key != "temperature"} | {"format": 2}
        ),
    )
    assert load_checkpoint(path).spec == SPEC
    assert SPEC.rule.temperature == 1.0


def test_the_temperature_is_kept(saved):
    path, model = saved
    spec = replace(SPEC, temperature=2.5)
    Checkpoint(spec, model.state_dict()).save(path)
    assert load_checkpoint(path).spec.rule.temperature == 2.5


def test_a_label_need_not_be_unicode(saved):
    path, model = saved
    spec = ModelSpec(SPEC.config, ("music", "caf\udce9"), SPEC.window_frames)
    Checkpoint(spec, model.state_dict()).save(path)
    assert load_checkpoint(path).spec.labels == spec.labels


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("{", "JSON"),
        ("[" * 100_000, "JSON"),
        ("[]", "document"),
        ("null", "document"),
        ("{}", "format: "),
        ('{"format": "1"}', "format: "),
        ('{"format": 0}', "format: "),
        ('{"format": 2}', "window_frames: "),
    ],
)
def test_metadata_that_are_no_specification_are_refused(saved, text, key):
    path, _ = saved
    rewrite(path, lambda _: text)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        *(("labels", value) for value in (5, "ab", ["a", "a"], [1, 2], ["a"], [], ["a", ""], None)),
        *(("window_frames", value) for value in ("60", 60.0, -1, 0, 10**10, True, None)),
        *(("thresholds", [value]) for value in ("x", float("nan"), 7, -0.1, None)),
        *(("temperature", value) for value in (0, -1.0, 1e9, "x", float("nan"), None)),
        ("thresholds", []),
        ("thresholds", [0.5, 0.5]),
        *(("task", value) for value in ("ternary", 7, None)),
        *(("progress", value) for value in ([], 5, None)),
        *(("config", value) for value in ([], 5, {"features": 5}, {"features": {"n_fft": 2**36}})),
        ("unheard_of", 1),
    ],
)
def test_a_wrong_fact_is_named(saved, fact, value):
    path, _ = saved
    rewrite(path, lambda facts: facts | {fact: value})
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)
    named = "features" if isinstance(value, dict) else fact
    assert named in str(caught.value)


def test_settings_that_ask_for_a_huge_network_are_refused_before_it_is_made(saved, monkeypatch):
    path, _ = saved
    block = {"channels": 4096, "kernel_size": [1024, 1024], "padding": [1024, 1024]}
    rewrite(path, lambda facts: facts | {"config": {"model": {"blocks": [block, block]}}})
    made_on = []

    def spy(*args):
        made_on.append(torch.get_default_device().type)
        return build_model(*args)

    monkeypatch.setattr("earmark.models.checkpoint.build_model", spy)
    with pytest.raises(CheckpointError, match=str(path)):
        load_checkpoint(path).build()
    assert made_on == ["meta"]


def test_a_network_that_this_earmark_does_not_know_is_refused(saved):
    path, _ = saved
    rewrite(path, lambda facts: facts | {"config": {"model": {"name": "other"}}})
    with pytest.raises(CheckpointError, match="no architecture 'other'"):
        load_checkpoint(path).build()


def test_weights_that_do_not_fit_are_refused_with_the_name_of_their_file(saved):
    path, model = saved
    spec = ModelSpec(Config(), SPEC.labels, SPEC.window_frames)
    Checkpoint(spec, model.state_dict()).save(path)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path).adjust([]).build()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused(saved):
    path, model = saved
    weights = dict(model.state_dict())
    weights["classifier.bias"] = torch.tensor([float("nan")])
    Checkpoint(SPEC, weights).save(path)
    with pytest.raises(CheckpointError, match=r"classifier\.bias"):
        load_checkpoint(path)


def test_the_model_inside_the_package_opens_too():
    assert load_checkpoint(Path("speech-music")).spec.labels == ("music", "speech")


def test_finite_weights_whose_logits_are_not_finite_are_refused(saved):
    path, _ = saved
    checkpoint = load_checkpoint(path)
    weights = {
        name: -torch.ones_like(one) if name.endswith("running_var") else one
        for name, one in checkpoint.model.items()
    }
    replace(checkpoint, model=weights).save(path)
    with pytest.raises(CheckpointError, match=str(path)):
        load_checkpoint(path).build()


def test_layers_that_need_too_much_memory_are_refused(saved, monkeypatch):
    path, _ = saved
    monkeypatch.setattr("earmark.models.checkpoint.MAX_LAYER_VALUES", 5000)
    with pytest.raises(CheckpointError, match=str(path)):
        load_checkpoint(path).build()
    with pytest.raises(ConfigError):
        require_network(SPEC)


def test_a_new_network_of_too_large_windows_is_refused():
    with pytest.raises(ConfigError):
        require_network(replace(SPEC, window_frames=1 + MAX_WINDOW_VALUES // 40))


def fit(rng, channels):
    targets = np.eye(2)[np.arange(20) % 2]
    return fit_novelty(rng.normal(size=(20, channels)), rng.normal(size=(20, 1)), targets, BINARY)


def test_the_score_of_novelty_comes_back_and_one_of_another_network_is_refused(
    saved, tmp_path, rng
):
    _, model = saved
    channels = model.classifier.in_features
    novelty = fit(rng, channels)
    path = tmp_path / "scored.safetensors"
    Checkpoint(SPEC, model.state_dict(), novelty=novelty).save(path)
    again = load_checkpoint(path)
    embeddings = rng.normal(size=(5, channels))
    logits = rng.normal(size=(5, 1))
    expected = novelty.score(embeddings, logits)
    np.testing.assert_array_equal(again.novelty.score(embeddings, logits), expected)
    assert load_checkpoint(saved[0]).novelty is None
    other = fit(rng, channels + 1)
    with pytest.raises(CheckpointError, match=r"scored\.safetensors"):
        replace(again, novelty=other).build()


@pytest.mark.parametrize("name", ["novelty.centers", "novelty.labels", "novelty.variances"])
def test_a_damaged_score_of_novelty_is_refused(saved, tmp_path, rng, name):
    _, model = saved
    novelty = fit(rng, 8)
    path = tmp_path / "scored.safetensors"
    Checkpoint(SPEC, model.state_dict(), novelty=novelty).save(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    for damaged in (tensors[name][:1], None):
        changed = {key: one for key, one in tensors.items() if key != name}
        if damaged is not None:
            changed[name] = damaged
        save_file(changed, path, metadata)
        with pytest.raises(CheckpointError, match=r"scored\.safetensors"):
            load_checkpoint(path)
