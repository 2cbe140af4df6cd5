"""Settings while they are chosen: given ones stand, the others are chosen in order."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from earmark.config import Config, RecipeConfig


@dataclass(frozen=True)
class Choice:
    """A setting that was chosen from the data.

    Args:
        setting: ``section.key``.
        value: As in TOML.
        reason: One short sentence.
    """

    setting: str
    value: Any
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.setting.partition('.')[2]} {_short(self.setting, self.value)}"


class Draft:
    """Settings to choose from, and the choices so far.

    A rule chooses a setting and continues with the value that is in force, which is the given one
    where there is one. So later rules fit what is given.

    Args:
        config: The given settings, on those of the recipe and the defaults.
        given: Settings that are not to be chosen, each ``section.key``.

    Example:
        >>> from earmark.config import load_config
        >>> config = load_config(settings=["features.sample_rate=8000"])
        >>> draft = Draft(config, config.given)
        >>> draft.choose("features.sample_rate", 22050, "The recordings have it.")
        8000
        >>> draft.choose("features.n_mels", 64, "Enough for 8 kHz.")
        64
        >>> [str(choice) for choice in draft.choices]
        ['n_mels 64']
    """

    def __init__(self, config: Config, given: Collection[str]) -> None:
        self.recipe: RecipeConfig = config.recipe
        self._given = frozenset(given)
        self._table = config.to_dict()
        self._choices: dict[str, Choice] = {}

    @property
    def choices(self) -> list[Choice]:
        """What was chosen, in order."""
        return list(self._choices.values())

    def is_given(self, setting: str) -> bool:
        """Whether a setting is given, so that it is not chosen."""
        return setting in self._given

    def value(self, setting: str) -> Any:
        """The value in force, as in TOML: given, chosen before, or of the recipe; or None."""
        section, _, key = setting.partition(".")
        return self._table[section].get(key)

    def choose(self, setting: str, value: Any, reason: str) -> Any:
        """Chooses a setting if it is not given; a later choice of it replaces an earlier one.

        Args:
            setting: ``section.key``.
            value: As in TOML.
            reason: One short sentence.

        Returns:
            The value in force.
        """
        if not self.is_given(setting):
            section, _, key = setting.partition(".")
            self._table[section][key] = value
            self._choices[setting] = Choice(setting, value, reason)
        return self.value(setting)


def _short(setting: str, value: Any) -> str:
    if setting == "model.blocks":
        return "-".join(str(block["channels"]) for block in value)
    return value if isinstance(value, str) else json.dumps(value)
