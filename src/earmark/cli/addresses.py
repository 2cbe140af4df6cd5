"""Addresses on the command line: where they may stand, and where not."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

from earmark.errors import ConfigError


class InputPath(click.Path):
    """What is read: a file or folder, here or at an address."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """An address keeps its slashes, which a `Path` would collapse."""
        from earmark.system.remote.path import RemotePath, to_path

        found = to_path(os.fspath(value))
        return (
            found
            if isinstance(found, RemotePath)
            else Path(os.fsdecode(super().convert(value, param, ctx)))
        )


def refuse_addresses(options: Mapping[str, object]) -> None:
    """Checks that what is written goes to a disk of this machine.

    Args:
        options: Of a command. What it reads has been made a `RemotePath`, if it is an address.

    Raises:
        ConfigError: A path is an address.
    """
    from earmark.system.remote.path import RemotePath
    from earmark.system.remote.urls import is_url, redacted, repaired

    for value in options.values():
        if isinstance(value, Path) and not isinstance(value, RemotePath):
            text = repaired(value.as_posix())
            if is_url(text):
                raise ConfigError(
                    f"{redacted(text)}: only recordings, manifests and models may be elsewhere; "
                    "give a local path, and copy what is there"
                )
