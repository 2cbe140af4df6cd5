"""All settings: frozen, strict sections, read from TOML and written to it.

A setting that is unknown, of the wrong type or out of range is an error that names its path; all
errors of a file are reported at once.
"""

from earmark.config.augment import AugmentConfig
from earmark.config.base import MAX_WINDOW_FRAMES, MAX_WINDOW_VALUES, Section
from earmark.config.features import EmbedderConfig, FeatureConfig
from earmark.config.layers import recipe_names, recipe_text, with_recipe, with_settings
from earmark.config.loading import as_config, config_from_dict, load_config, override
from earmark.config.model import ConvBlockConfig, Head, ModelConfig
from earmark.config.recipe import RecipeConfig
from earmark.config.renamed import add_settings, rename_settings
from earmark.config.search import SearchConfig, TuneConfig
from earmark.config.sections import (
    Config,
    EvaluateConfig,
    PredictConfig,
    TrainConfig,
)

__all__ = [
    "MAX_WINDOW_FRAMES",
    "MAX_WINDOW_VALUES",
    "AugmentConfig",
    "Config",
    "ConvBlockConfig",
    "EmbedderConfig",
    "EvaluateConfig",
    "FeatureConfig",
    "Head",
    "ModelConfig",
    "PredictConfig",
    "RecipeConfig",
    "SearchConfig",
    "Section",
    "TrainConfig",
    "TuneConfig",
    "add_settings",
    "as_config",
    "config_from_dict",
    "load_config",
    "override",
    "recipe_names",
    "recipe_text",
    "rename_settings",
    "with_recipe",
    "with_settings",
]
