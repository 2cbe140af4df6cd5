"""Settings from dictionaries, TOML files and single ``section.key=value`` strings."""

import difflib
import json
import tomllib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from earmark.config.model import ConvBlockConfig
from earmark.config.paths import place
from earmark.config.renamed import RENAMED
from earmark.config.search import SearchConfig
from earmark.config.sections import Config
from earmark.errors import ConfigError

_TOO_LARGE = "a number has thousands of digits, or tables are nested too deeply"


def config_from_dict(table: dict[str, Any], *, source: str = "configuration") -> Config:
    """A validated, frozen configuration from nested dictionaries.

    Args:
        table: Section name to table, as TOML or JSON gives them.
        source: Named in the error.

    Raises:
        ConfigError: With every error and its path.
    """
    try:
        # Through JSON, so that strict mode accepts a TOML array for a tuple. A TOML date becomes a
        # string, which is no valid number.
        return Config.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        errors = "; ".join(_describe(item) for item in error.errors())
        raise ConfigError(f"{source}: {errors}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{source}: {_TOO_LARGE}") from None


def as_config(config: Config | Path | str | None) -> Config:
    """The configuration that an argument means.

    Args:
        config: All settings, a TOML file of them, or None for the defaults.

    Raises:
        ConfigError: The file cannot be read, or a setting is wrong.

    Example:
        >>> as_config(None) == Config()
        True
    """
    if config is not None and not isinstance(config, Config | Path | str):
        raise ConfigError(
            f"config: {type(config).__name__} instead of a Config or a TOML file; for single "
            "settings give load_config(settings=['train.epochs=3'])"
        )
    return config if isinstance(config, Config) else load_config(config)


def load_config(path: Path | str | None = None, settings: Sequence[str] = ()) -> Config:
    """Reads a TOML file and applies single settings on top.

    Args:
        path: The file; by default there is none, and all settings have their defaults.
        settings: Each ``section.key=value``, the value parsed as TOML; a bare word is a string,
            and a number in the path picks from a list (``model.blocks.0.channels=24``).

    Raises:
        ConfigError: The file cannot be read, or a setting is wrong.

    Example:
        >>> load_config(settings=["train.epochs=3"]).train.epochs
        3
    """
    table: dict[str, Any] = {}
    if path is not None:
        try:
            table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not a TOML file: {error}") from None
        except (ValueError, RecursionError):
            raise ConfigError(f"{path}: {_TOO_LARGE}") from None
    return override(config_from_dict(table, source=str(path or "configuration")), settings)


def override(config: Config, settings: Iterable[str]) -> Config:
    """The given settings of a configuration and single others, written as in `load_config`."""
    if isinstance(settings, str):
        raise ConfigError(f"settings: give a list, [{settings!r}]")
    table = config.model_dump(mode="json", exclude_unset=True)
    for setting in settings:
        dotted, equals, text = setting.partition("=")
        if not equals or "." not in dotted:
            raise ConfigError(f"--set {setting}: write section.key=value, such as train.epochs=3")
        section, key, *inner = dotted.strip().split(".")
        if inner and key not in table.get(section, {}):
            # A part of a setting is changed in the default of the whole.
            whole = config.to_dict().get(section, {})
            table.setdefault(section, {}).update({key: whole[key]} if key in whole else {})
        place(table, dotted.strip(), _parse_value(text.strip()), f"--set {setting}")
    return config_from_dict(table, source="--set")


def mark_given(config: Config, given: Collection[str]) -> Config:
    """The same settings, of which only some count as given.

    Args:
        config: All settings.
        given: Each ``section.key``.
    """
    sections = {}
    for name in Config.model_fields:
        section = getattr(config, name)
        keys = {key for key in type(section).model_fields if f"{name}.{key}" in given}
        sections[name] = type(section).model_construct(_fields_set=keys, **dict(section))
    return Config.model_construct(**sections)


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _describe(error: Any) -> str:
    # A quoted name may have several lines; a message has one.
    location = [" ".join(str(part).split()) for part in error["loc"]]
    path = ".".join(location) or "the configuration"
    if error["type"] == "extra_forbidden" and path in RENAMED:
        return f"{path} is now called {RENAMED[path]}"
    if error["type"] == "extra_forbidden":
        return f"unknown setting {path}{_suggest(location)}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{path}: {message[0].lower()}{message[1:]}"


def _suggest(location: list[str]) -> str:
    known = dict.fromkeys(Config.model_fields)
    if len(location) == 2:
        known = dict.fromkeys(type(getattr(Config(), location[0])).model_fields)
    elif len(location) > 2:
        section = SearchConfig if location[0] == "tune" else ConvBlockConfig
        known = dict.fromkeys(section.model_fields)
    close = difflib.get_close_matches(location[-1], known, n=1)
    return f" (did you mean {'.'.join([*location[:-1], close[0]])}?)" if close else ""
