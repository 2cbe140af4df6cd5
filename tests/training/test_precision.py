"""Every command that trains warns of a precision that the processor only imitates."""

import pytest
import torch

from earmark.config import load_config
from earmark.system.runtime import Runtime
from earmark.training.cross_validation.run import Plan, cross_validate
from earmark.training.train import train
from earmark.training.tuning.search import tune

CONFIG = load_config(
    settings=[
        "recipe.name=classic",
        *(f"model.blocks.{one}.channels=2" for one in range(4)),
        "train.crop_seconds=0.5",
        "train.epochs=1",
        "train.precision=bfloat16",
        "tune.trials=1",
        "evaluate.baseline=false",
    ]
)


@pytest.mark.parametrize("command", [train, cross_validate, tune])
def test_a_slow_precision_is_a_warning(monkeypatch, caplog, tmp_path, sound_folder, command):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
    given = Plan(3, num_workers=1) if command is cross_validate else tmp_path / "run"
    options = {"num_workers": 1} if command is tune else {}
    device, store = Runtime(torch.device("cpu")), tmp_path / "store"
    command(sound_folder, given, CONFIG, device=device, store=store, **options)
    warnings = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert sum("train.precision" in one for one in warnings) == 1
