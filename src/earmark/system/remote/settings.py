"""How remote files are read, as variables of the environment set it: it concerns the machine."""

import os
from pathlib import Path
from typing import NamedTuple

import platformdirs

from earmark.errors import ConfigError
from earmark.system.numbers import parse_number
from earmark.system.remote.transport import Patience

FOLDER_VARIABLE = "EARMARK_REMOTE_CACHE"
SIZE_VARIABLE = "EARMARK_REMOTE_CACHE_GB"
SECONDS_VARIABLE = "EARMARK_REMOTE_SECONDS"
DEFAULT_CACHE_BYTES = 10_000_000_000


class RemoteSettings(NamedTuple):
    """How remote files are read; worker processes get them with the path.

    Args:
        folder: Where blocks are cached.
        max_bytes: How large the cache may be; 0 for none.
        patience: How long a server is waited for.
    """

    folder: Path
    max_bytes: int = DEFAULT_CACHE_BYTES
    patience: Patience = Patience()

    @classmethod
    def from_environment(cls) -> "RemoteSettings":
        """The settings in the variables of the environment, and the defaults of the others.

        Raises:
            ConfigError: A variable does not hold a number.
        """
        folder = os.environ.get(FOLDER_VARIABLE)
        gigabytes = _number(SIZE_VARIABLE, DEFAULT_CACHE_BYTES / 1e9)
        seconds = _number(SECONDS_VARIABLE, Patience().seconds)
        return cls(
            Path(folder) if folder else platformdirs.user_cache_path("earmark") / "remote",
            round(gigabytes * 1e9),
            # Half a second is the least that leaves time for an answer.
            Patience(max(seconds, 0.5)),
        )


def _number(variable: str, default: float) -> float:
    text = os.environ.get(variable, "")
    number = parse_number(text) if text else default
    if number is None or number < 0:
        raise ConfigError(f"{variable} = {text}: give a number, such as {default:g}")
    return number
