"""Settings that had other names once, or none: refused or completed, translated in old models."""

from collections.abc import Mapping
from typing import Any

RENAMED = {
    "train.accumulate": "train.grad_accumulation_steps",
    "train.average_decay": "train.ema_decay",
    "train.clip_norm": "train.max_grad_norm",
    "train.schedule": "train.lr_schedule",
    "train.teacher_share": "train.teacher_weight",
    "train.validation": "train.hold_out_validation",
    "train.warmup": "train.warmup_fraction",
    "augment.frequency_mask_share": "augment.frequency_mask_fraction",
    "augment.mix": "augment.mixup",
    "augment.mix_alpha": "augment.mixup_alpha",
    "augment.mix_domain": "augment.mixup_domain",
    "augment.stretch": "augment.time_stretch",
    "augment.style": "augment.freq_mixstyle",
    "augment.style_alpha": "augment.freq_mixstyle_alpha",
    "augment.time_mask_share": "augment.time_mask_fraction",
    "augment.warp": "augment.frequency_warp",
    "evaluate.window_seconds": "evaluate.excerpt_seconds",
    "predict.boundary_share": "predict.boundary_fraction",
    "predict.min_seconds": "predict.min_segment_seconds",
}
"""Old path of a setting to its path now."""

BEFORE_RECIPES: Mapping[str, Any] = {"recipe": {"name": "classic", "rules": False}}
"""The tables that settings from before there were recipes lack."""

ADDED: Mapping[str, Mapping[str, Any]] = {
    "train": {"background_label": "_background_", "refit": False},
    "predict": {"false_alarm_rate": 0.001},
    "evaluate": {"baseline": True},
}
"""Settings that work of earlier versions goes on without: their defaults change nothing in it."""


def add_settings(table: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of old work with the settings of `ADDED`, where they lack them.

    Args:
        table: Section name to table.

    Example:
        >>> add_settings({"train": {"epochs": 3}})
        {'train': {'background_label': '_background_', 'refit': False, 'epochs': 3}}
    """
    return {
        section: {**ADDED.get(section, {}), **settings}
        if isinstance(settings, Mapping)
        else settings
        for section, settings in table.items()
    }


def rename_settings(table: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of an old model with the names of today; other content stays as it is.

    Args:
        table: Section name to table. Nobody vouches for it.

    Example:
        >>> rename_settings({"train": {"clip_norm": 1.0, "epochs": 3}})
        {'train': {'max_grad_norm': 1.0, 'epochs': 3}}
    """
    return {
        section: {_new_key(section, key): value for key, value in settings.items()}
        if isinstance(settings, Mapping)
        else settings
        for section, settings in table.items()
    }


def _new_key(section: str, key: str) -> str:
    return RENAMED.get(f"{section}.{key}", f"{section}.{key}").removeprefix(f"{section}.")
