"""The search space: which settings are searched, and how sampled values become a `Config`."""

import copy
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from earmark.config import Config, SearchConfig, TuneConfig, config_from_dict
from earmark.config.paths import place
from earmark.errors import ConfigError

_DEFAULT: dict[str, Any] = {
    "train.learning_rate": {"low": 3e-4, "high": 1e-2, "log": True},
    "train.weight_decay": {"low": 1e-4, "high": 1e-1, "log": True},
    "train.batch_size": [16, 32, 64],
    "train.crop_seconds": [1.0, 2.0, 3.0, 5.0],
    "model.dropout": {"low": 0.0, "high": 0.5},
    "augment.time_stretch": [0.0, 0.25, 0.5],
    "augment.gain_db": [0.0, 5.0, 10.0],
    "augment.noise": [0.0, 0.5],
    "augment.mixup": [0.0, 0.5],
    "augment.frequency_masks": [0, 1],
    "augment.time_masks": [0, 1, 2],
}
_DEFAULT_BLOCKS: dict[str, Any] = {
    # For any number of blocks, a frame of the last one spans 16 frames of the input.
    "model.blocks": [
        [
            {"channels": width << index, "pool_size": [2, step]}
            for index, step in enumerate(frame_steps)
        ]
        for frame_steps in ((4, 4), (4, 2, 2), (2, 2, 2, 2))
        for width in (16, 32)
    ]
    + [
        [
            {"channels": channels, "pool_size": [2, step]}
            for channels, step in ((16, 4), (20, 2), (24, 2), (28, 1))
        ]
    ],
    "model.blocks.*": [{"kernel_size": 3, "padding": 1}, {"kernel_size": 5, "padding": 2}],
}
_FIXED = (
    "train.split_seed",
    "train.validation_fraction",
    "train.test_fraction",
    "train.hold_out_validation",
    "train.task",
)
"""Settings that change the validation recordings or their task: their scores are not comparable."""

Drawn = Mapping[str, Any]
"""Path to a number, or to the label of a choice."""


class SearchSpace:
    """Paths of settings, and where each is searched.

    Args:
        config: Its ``tune.space``; without it, the default space.

    Raises:
        ConfigError: A path is unknown or must not be searched, or a value at it is wrong.

    Example:
        >>> from earmark.config import load_config
        >>> config = load_config(settings=['tune.space={"model.blocks.*.channels" = [8, 16]}'])
        >>> space = SearchSpace(config)
        >>> space.labels
        {'model.blocks.*.channels': ('8', '16')}
        >>> tried = space.apply({"model.blocks.*.channels": "8"})
        >>> [block.channels for block in tried.model.blocks]
        [8, 8, 8, 8]
    """

    def __init__(self, config: Config) -> None:
        given = config.tune.space
        found = _default_space(config) if given is None else given
        if not found:
            raise ConfigError("tune.space: is empty; name a setting, or leave it out")
        # A list comes before what is changed in its items.
        self.dimensions = dict(sorted(found.items(), key=lambda item: item[0].count(".")))
        self.labels = {
            path: _labels(one.choices) for path, one in self.dimensions.items() if one.choices
        }
        self._table = config.model_copy(update={"tune": TuneConfig()}).to_dict()
        for path in self.dimensions:
            _refuse_fixed(path, self.dimensions[path])
        for _ in self.corners():
            pass

    def apply(self, drawn: Drawn, where: str = "tune.space") -> Config:
        """The configuration with drawn values in their places, and nothing of the search in it.

        Args:
            drawn: Path to value; paths that are left out keep their settings.
            where: Opens the message of an error.
        """
        table = copy.deepcopy(self._table)
        for path in self.dimensions:
            if path in drawn:
                value = copy.deepcopy(self.value(path, drawn[path]))
                for inner, single in _singles(path, value):
                    place(table, inner, single, where)
        return config_from_dict(table, source=where)

    @property
    def settings(self) -> set[str]:
        """The settings that are searched, each ``section.key``."""
        named = (
            inner
            for path, one in self.dimensions.items()
            for choice in one.choices or [0]
            for inner, _ in _singles(path, choice)
        )
        return {".".join(one.split(".")[:2]) for one in named}

    def value(self, path: str, drawn: Any) -> Any:
        """What a drawn value stands for: the choice of that label, or the number itself."""
        choices = self.dimensions[path].choices
        return drawn if choices is None else choices[self.labels[path].index(drawn)]

    def corners(self) -> Iterator[tuple[str, Config]]:
        """Every choice, and the ends of every range, one at a time, each with its name.

        Raises:
            ConfigError: One is not a valid configuration.
        """
        for path, one in self.dimensions.items():
            for drawn in self.labels.get(path, (one.low, one.high)):
                name = f"tune.space: {path} = {drawn}"
                yield name, self.apply({path: drawn}, name)

    def front_ends(self) -> Iterator[Config]:
        """A configuration for every combination of the choices of the front end."""
        paths = [path for path in self.dimensions if path.partition(".")[0] == "features"]
        combinations: list[dict[str, Any]] = [{}]
        for path in paths:
            combinations = [
                {**one, path: label} for one in combinations for label in self.labels[path]
            ]
        yield from map(self.apply, combinations)


def _default_space(config: Config) -> dict[str, SearchConfig]:
    # Some of the blocks are larger than a limit of parameters may allow.
    has_blocks = config.model.name == "audio_cnn" and config.recipe.parameters is None
    space = {**_DEFAULT, **(_DEFAULT_BLOCKS if has_blocks else {})}
    if config.features.embedder is not None:
        # Vectors are not sound: nothing but their mixture is one, and their windows are given.
        sound = ("augment.", "train.crop_seconds")
        space = {k: v for k, v in space.items() if k == "augment.mixup" or not k.startswith(sound)}
    elif config.train.teachers:
        # Teachers take windows of one length.
        del space["train.crop_seconds"]
    table = {"tune": {"space": space}}
    return config_from_dict(table, source="the default space").tune.space or {}


def _refuse_fixed(path: str, where: SearchConfig) -> None:
    section = path.partition(".")[0]
    if section in ("tune", "evaluate", "recipe"):
        raise ConfigError(f"tune.space: {path} has no effect on training; leave it out")
    if path == "train.refit":
        raise ConfigError(f"tune.space: {path} has no effect on trials; leave it out")
    named = {inner for choice in where.choices or [0] for inner, _ in _singles(path, choice)}
    fixed = sorted(named & set(_FIXED))
    if fixed:
        raise ConfigError(
            f"tune.space: {fixed[0]} would make validation scores incomparable; leave it out"
        )
    if section == "features" and where.choices is None:
        raise ConfigError(
            f"tune.space: {path} needs a list of choices; features are computed for each"
        )


def _singles(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A table as the settings that it names; anything else as it is."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _singles(f"{path}.{key}", inner)
    else:
        yield path, value


def _labels(choices: Sequence[Any]) -> tuple[str, ...]:
    labels = [_label(choice) for choice in choices]
    seen = Counter(labels)
    return tuple(
        label if seen[label] == 1 else f"{label} ({index})"
        for index, label in enumerate(labels, start=1)
    )


def _label(value: Any) -> str:
    """A short name: of a list its items, of a table its first value."""
    if isinstance(value, list):
        return "-".join(map(_label, value))
    if isinstance(value, dict) and value:
        return _label(next(iter(value.values())))
    return value if isinstance(value, str) else json.dumps(value)
