"""Values at paths of nested dictionaries, such as ``model.blocks.0.channels``."""

from typing import Any

from earmark.errors import ConfigError


def place(table: dict[str, Any], path: str, value: Any, where: str) -> None:
    """Sets a value in nested dictionaries.

    Args:
        table: As `Config.to_dict` gives it; changed.
        path: Keys separated by points. A number picks from a list; ``*`` means all of its items.
        value: The new value.
        where: Start of an error message.

    Raises:
        ConfigError: The path leads through a single value or past the end of a list.

    Example:
        >>> table = {"blocks": [{"channels": 16}, {"channels": 32}]}
        >>> place(table, "blocks.*.channels", 8, "here")
        >>> table
        {'blocks': [{'channels': 8}, {'channels': 8}]}
    """
    *parents, last = path.split(".")
    targets: list[Any] = [table]
    for part in parents:
        for target in targets:
            if isinstance(target, dict):
                target.setdefault(part, {})
        targets = [target[key] for target in targets for key in _keys(target, part, where)]
        if not all(isinstance(target, dict | list) for target in targets):
            raise ConfigError(f"{where}: {part} is a single value, not a table")
    for target in targets:
        for key in _keys(target, last, where):
            target[key] = value


def _keys(target: dict[str, Any] | list[Any], part: str, where: str) -> list[Any]:
    if isinstance(target, dict):
        return [part]
    if part == "*":
        return list(range(len(target)))
    if not part.isdigit() or int(part) >= len(target):
        raise ConfigError(f"{where}: {part} is not one of 0 to {len(target) - 1}")
    return [int(part)]
