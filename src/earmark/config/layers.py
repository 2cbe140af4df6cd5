"""Layers of settings: given ones, on those chosen from data, on those of a recipe, on defaults."""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any, get_args

from earmark.config.loading import config_from_dict, mark_given
from earmark.config.model import ModelConfig
from earmark.config.recipe import RecipeConfig
from earmark.config.sections import Config
from earmark.errors import ConfigError


def recipe_names() -> tuple[str, ...]:
    """The names of the recipes.

    Example:
        >>> recipe_names()
        ('auto', 'classic', 'tiny')
    """
    return get_args(RecipeConfig.model_fields["name"].annotation)


def recipe_text(name: str) -> str:
    """The TOML file of a recipe; its first line describes it.

    Args:
        name: One of `recipe_names`.

    Raises:
        ConfigError: There is no such recipe.
    """
    if name not in recipe_names():
        known = ", ".join(recipe_names())
        raise ConfigError(f"recipe.name: no recipe {name!r}; choose one of {known}")
    return (files("earmark.config") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")


def with_recipe(config: Config) -> Config:
    """The settings with those of their recipe where none is given.

    Where a setting of the recipe does not fit those that are given, it keeps its default. The
    network of the recipe is left out if another architecture is given.

    Args:
        config: All settings. Which of them are given stays as it is.

    Example:
        >>> from earmark.config import load_config
        >>> with_recipe(load_config(settings=["recipe.name=tiny"])).recipe.parameters
        15000
    """
    table = tomllib.loads(recipe_text(config.recipe.name))
    if config.model.name != table.get("model", {}).get("name", ModelConfig().name):
        table.pop("model", None)
    settings = dict(flatten(table))
    with suppress(ConfigError):
        return with_settings(config, settings)
    for setting, value in settings.items():
        with suppress(ConfigError):
            config = with_settings(config, {setting: value})
    return config


def with_settings(config: Config, settings: Mapping[str, Any]) -> Config:
    """The settings with other values where none is given.

    Args:
        config: All settings. Which of them are given stays as it is.
        settings: ``section.key`` to a value as in TOML.

    Raises:
        ConfigError: One of them is unknown, or does not fit the others.

    Example:
        >>> from earmark.config import load_config
        >>> config = load_config(settings=["features.n_mels=64"])
        >>> chosen = with_settings(config, {"features.n_mels": 96, "features.hop_length": 160})
        >>> chosen.features.n_mels, chosen.features.hop_length, sorted(chosen.given)
        (64, 160, ['features.n_mels'])
    """
    given, table = config.given, config.to_dict()
    for setting, value in settings.items():
        if setting not in given:
            section, _, key = setting.partition(".")
            table.setdefault(section, {})[key] = value
    return mark_given(config_from_dict(table), given)


def flatten(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each setting of nested dictionaries as ``section.key``, with its value.

    Args:
        table: Section name to table.
    """
    for section, settings in table.items():
        for key, value in settings.items():
            yield f"{section}.{key}", value


def complete(config: Config) -> Config:
    """The settings as if all of them were given, so that nothing is left to choose.

    Args:
        config: All settings.
    """
    table = config.to_dict()
    table["recipe"]["rules"] = False
    return config_from_dict(table)
