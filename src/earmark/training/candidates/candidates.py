"""The candidates of a search: the settings of the rules, and a few variations of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from earmark.config import Config, ConvBlockConfig
from earmark.config.loading import config_from_dict
from earmark.errors import ConfigError
from earmark.features.windows import crop_frames
from earmark.training.recipes.network import (
    Windows,
    deeper_blocks,
    num_multiply_adds,
    wider_blocks,
)

RULES = "rules"
"""Name of the candidate with the settings that the rules chose."""
STRONG_WARP, STRONG_FILTER_DB = 0.1, 6.0


@dataclass(frozen=True)
class Candidate:
    """Settings to try.

    Args:
        name: Name of its folder.
        reason: Why it may be better, in one short sentence.
        settings: ``section.key`` to a value as in TOML, where it differs from the rules.
        cost: Multiply-adds of an epoch times the epochs, as a multiple of those of the rules.
    """

    name: str
    reason: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    cost: float = 1.0


def with_variation(config: Config, settings: Mapping[str, Any]) -> Config:
    """Complete settings with some others in their place.

    Args:
        config: All settings.
        settings: As of a `Candidate`.

    Raises:
        ConfigError: They do not fit the others.
    """
    table = config.to_dict()
    for setting, value in settings.items():
        section, _, key = setting.partition(".")
        table[section][key] = value
    return config_from_dict(table)


def list_candidates(config: Config, given: Collection[str], num_outputs: int) -> list[Candidate]:
    """The settings of the rules and at most six variations, in order of promise.

    Args:
        config: All settings, as the rules chose them for an `audio_cnn`.
        given: Settings that do not vary, each ``section.key``.
        num_outputs: Logits of a window.

    Example:
        >>> from earmark.config import Config
        >>> [one.name for one in list_candidates(Config(), ["model.blocks"], 1)]
        ['rules', 'longer', 'stronger', 'lighter', 'finer']
    """
    windows = _windows(config, num_outputs)
    found = [Candidate(RULES, "What the rules chose.")]
    for name, (reason, settings) in _variations(config, windows).items():
        table = config.to_dict()
        kept = {
            setting: value
            for setting, value in settings.items()
            if setting not in given and _value(table, setting) != value
        }
        try:
            varied = with_variation(config, kept)
        except ConfigError:
            continue
        if kept:
            cost = _cost(varied, num_outputs) / _cost(config, num_outputs)
            found.append(Candidate(name, reason, kept, round(cost, 3)))
    return found


def _variations(config: Config, windows: Windows) -> dict[str, tuple[str, dict[str, Any]]]:
    """Name to reason and settings."""
    augment = config.augment
    return {
        "deeper": (
            "More layers, and longer kernels in time.",
            {"model.blocks": _table(deeper_blocks(windows))},
        ),
        "wider": ("More channels.", {"model.blocks": _table(wider_blocks(windows))}),
        "longer": ("Twice the epochs.", {"train.epochs": 2 * config.train.epochs}),
        "stronger": (
            "More augmentation.",
            {
                "augment.frequency_masks": augment.frequency_masks + 1,
                "augment.time_masks": augment.time_masks + 1,
                "augment.frequency_warp": max(augment.frequency_warp, STRONG_WARP),
                "augment.filter_db": max(augment.filter_db, STRONG_FILTER_DB),
            },
        ),
        "lighter": (
            "Less augmentation.",
            {
                "augment.frequency_masks": 0,
                "augment.time_masks": 0,
                "augment.frequency_warp": augment.frequency_warp / 2,
                "augment.filter_db": 0.0,
                "augment.noise": augment.noise / 2,
                "augment.gain_db": augment.gain_db / 2,
            },
        ),
        "finer": (
            "Half the step between frames.",
            {"features.hop_length": max(1, config.features.hop_length // 2)},
        ),
    }


def _table(blocks: list[ConvBlockConfig]) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json", exclude_none=True) for one in blocks]


def _value(table: Mapping[str, Any], setting: str) -> Any:
    section, _, key = setting.partition(".")
    return table[section].get(key)


def _windows(config: Config, num_outputs: int) -> Windows:
    return Windows(config.features.n_mels, crop_frames(config), num_outputs)


def _cost(config: Config, num_outputs: int) -> int:
    return config.train.epochs * num_multiply_adds(
        config.model.blocks, _windows(config, num_outputs)
    )
