"""The classical baseline over the folds and seeds of a cross-validation."""

import json

import pytest
import torch

from earmark.config import Config, load_config, with_settings
from earmark.data.content import Clip
from earmark.evaluation.classical_baseline import ClassicalPredictions
from earmark.features.store import ClipKey
from earmark.system.runtime import Runtime
from earmark.tasks.task import BINARY, MULTI_LABEL
from earmark.training.cross_validation.classical import compare_folds
from earmark.training.cross_validation.fold_result import FoldResult
from earmark.training.cross_validation.folder import FoldFolder
from earmark.training.cross_validation.result import CrossValidation
from earmark.training.cross_validation.run import Plan, cross_validate

CLIPS = {f"{n}.wav": Clip(f"{n}.wav", ClipKey(f"key{n}"), (n % 2,), f"g{n}") for n in range(6)}
SMALL = (
    *("recipe.name=classic", "train.crop_seconds=0.5", "train.epochs=1"),
    *(f"model.blocks.{one}.channels=2" for one in range(4)),
)
CONFIG = with_settings(Config(), {"evaluate.resamples": 100})
CPU = Runtime(torch.device("cpu"))


def fold(number, seed=0, wrong=(), classical=None):
    names = tuple(f"{n}.wav" for n in (2 * number - 2, 2 * number - 1))
    right = [name not in wrong for name in names]
    chosen = tuple(
        (CLIPS[name].targets[0] ^ (not hit),) for name, hit in zip(names, right, strict=True)
    )
    logits = tuple((3.0 if one == (1,) else -3.0,) for one in chosen)
    facts = ({"epoch": 1},)
    return FoldResult(
        seed, str(number), names, sum(right), logits, chosen, 1, 2.5, facts, None, classical
    )


def fitted(*correct, **facts):
    return ClassicalPredictions(correct=correct, num_train_clips=4, num_available=4, **facts)


def pooled(*results):
    return CrossValidation(BINARY, ("music", "speech"), CLIPS, results)


def test_the_folds_of_one_seed_are_compared_together():
    found = compare_folds(
        pooled(
            fold(1, classical=fitted(True, False)),
            fold(2, wrong=["2.wav"], classical=fitted(True, False)),
            fold(3, classical=fitted(False, False)),
        ),
        CONFIG,
    )
    assert found.paired.num_correct == (5, 2)
    assert (found.paired.test.num_only_first, found.paired.test.num_only_second) == (4, 1)
    assert found.paired.num_clips == 6
    assert found.num_networks == 1
    assert found.recipe == CONFIG.recipe.name


def test_every_seed_is_compared_with_the_one_baseline():
    classical = [fitted(True, False), fitted(True, False), fitted(False, False)]
    first = [fold(n, classical=one) for n, one in enumerate(classical, start=1)]
    second = [fold(n, seed=1, wrong=["1.wav", "3.wav"]) for n in (1, 2, 3)]
    found = compare_folds(pooled(*first, *second), CONFIG)
    facts = found.to_dict()
    assert (facts["num_clips"], facts["num_correct"]) == (6, 2)
    assert facts["accuracy"] == pytest.approx(1 / 3)
    assert facts["difference"] == pytest.approx(5 / 6 - 1 / 3)
    assert found.paired.test.num_only_first == 2
    assert "(2 of 6)" in found.headline


def test_clips_of_a_fold_that_failed_for_a_seed_do_not_count():
    first = [fold(n, classical=fitted(True, True)) for n in (1, 2)]
    found = compare_folds(pooled(*first, fold(1, seed=1)), CONFIG)
    assert found.to_dict()["num_clips"] == 2


def test_without_a_fitted_fold_there_is_a_reason():
    found = pooled(fold(1, classical=ClassicalPredictions("no features")))
    assert compare_folds(found, CONFIG).reason == "no features"
    assert compare_folds(pooled(fold(1)), CONFIG).reason


def test_a_multi_label_task_has_average_precision_over_all_folds():
    clips = {
        name: Clip(name, clip.key, (0,) if clip.targets == (0,) else (0, 1), clip.group)
        for name, clip in CLIPS.items()
    }
    results = [
        FoldResult(
            0,
            str(n),
            names,
            2,
            ((3.0, -3.0), (3.0, 3.0)),
            ((0,), (0, 1)),
            1,
            1.0,
            (),
            None,
            fitted(True, False, logits=((1.0, 0.5), (1.0, 0.2))),
        )
        for n, names in enumerate([("0.wav", "1.wav"), ("2.wav", "3.wav")], start=1)
    ]
    found = compare_folds(
        CrossValidation(MULTI_LABEL, ("music", "speech"), clips, tuple(results)), CONFIG
    )
    network, baseline = found.maps
    assert network == 1.0
    assert baseline < 1.0
    assert found.to_dict()["map"] == baseline


def test_folds_keep_the_baseline_and_a_resumed_one_shows_it(tmp_path, flat_folder, monkeypatch):
    config = load_config(settings=SMALL)
    plan = Plan(3, num_seeds=2, num_workers=1, folder=tmp_path / "cv")
    run = {"device": CPU, "store": tmp_path / "store"}
    found = cross_validate(flat_folder, plan, config, **run)
    assert found.classical.num_networks == 2
    facts = found.to_dict()
    assert facts["classical"]["num_clips"] == 20
    kept = sum(one["classical"]["num_correct"] for one in facts["folds"] if "classical" in one)
    assert kept == facts["classical"]["num_correct"]
    stored = [FoldFolder(plan.folder).read_fold(seed, 1)["classical"] for seed in (0, 1)]
    assert stored[0]["correct"]
    assert stored[1] is None
    # Training and the other fold: what the network was trained and validated on.
    assert stored[0]["num_available"] == 20 - len(stored[0]["correct"])
    monkeypatch.setattr("earmark.evaluation.classical_baseline.fit_classical", None)
    again = cross_validate(flat_folder, plan, config, **run)
    assert again.classical == found.classical
    assert json.loads((plan.folder / "result.json").read_text())["classical"] == facts["classical"]


def test_no_baseline_is_fitted_when_it_is_not_wanted(tmp_path, flat_folder):
    found = cross_validate(
        flat_folder,
        Plan(3, num_workers=1),
        load_config(settings=[*SMALL, "evaluate.baseline=false"]),
        device=CPU,
        store=tmp_path / "store",
    )
    assert found.classical is None
    assert "classical" not in found.to_dict()
