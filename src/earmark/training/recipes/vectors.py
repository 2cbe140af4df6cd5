"""The settings of a classifier on the vectors of an embedder."""

from typing import Any

from earmark.config import Config, EmbedderConfig, FeatureConfig
from earmark.config.augment import OFF
from earmark.config.layers import flatten, with_settings
from earmark.config.loading import mark_given
from earmark.errors import ConfigError

DROPOUT = 0.25
MAX_CROPS = 10


def with_embedder(config: Config, embedder: EmbedderConfig) -> Config:
    """The settings of a linear classifier on frozen vectors, where none is given.

    The rules for log-mel values do not apply, so nothing is left to them. Windows are those of the
    embedder; nothing is augmented, because vectors are not sound; the classical baseline, which is
    about log-mel values, is left out.

    Args:
        config: All settings, of which those that are not given change; they count as given then.
        embedder: What turns sound into vectors.

    Raises:
        ConfigError: What is given does not fit the embedder.

    Example:
        >>> embedder = EmbedderConfig(
        ...     file="a.onnx", digest="", licence="CC0", sample_rate=16_000, takes="waveform",
        ...     input="waveform", output="embedding", window_length=15_600, dimensions=1024,
        ... )
        >>> config = with_embedder(Config(), embedder)
        >>> config.model.name, config.features.n_mels, config.train.crop_seconds
        ('linear', 1024, 0.975)
    """
    chosen: dict[str, dict[str, Any]] = {
        "recipe": {"rules": False},
        "features": {
            **embedder.frame_settings,
            "embedder": embedder.model_dump(mode="json", exclude_none=True),
        },
        "model": {"name": "linear", "dropout": DROPOUT},
        "augment": OFF,
        "train": {
            "crop_seconds": embedder.window_seconds,
            "max_crops": MAX_CROPS,
            "refit": config.train.hold_out_validation,
        },
        "evaluate": {"baseline": False},
    }
    _refuse_unused(config, embedder)
    settings = dict(flatten(chosen))
    # Those of the front end are in the embedder.
    kept = [one for one in config.given if not one.startswith("features.")]
    given = {*kept, "features.channel"}.difference(["recipe.rules"]).intersection(config.given)
    changed = with_settings(mark_given(config, given), settings)
    return mark_given(changed, given.union(settings))


def _refuse_unused(config: Config, embedder: EmbedderConfig) -> None:
    """Refuses what is given, but would change nothing.

    Raises:
        ConfigError: A setting has another value than the embedder leaves it.
    """
    if config.recipe.rules and "recipe.rules" in config.given:
        raise ConfigError("recipe.rules = true: with an embedder there are no rules; leave it out")
    if config.features.embedder is not None:
        # That of an earlier run: its settings go with it.
        return
    used = (embedder.front_end or FeatureConfig()).model_dump()
    if embedder.front_end is None:
        used |= {**embedder.frame_settings, "channel": config.features.channel}
    for key, value in config.features.model_dump().items():
        if f"features.{key}" in config.given and value != used[key]:
            raise ConfigError(
                f"features.{key} = {value}: with the embedder {embedder.file} it is {used[key]}; "
                "leave it out"
            )
