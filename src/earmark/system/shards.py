"""Shards: the files that one machine works on, of a list that several machines divide."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import xxhash

from earmark.errors import ConfigError, DataError
from earmark.system.files import atomic_open


class Shard(NamedTuple):
    """One of several parts of any list of files, divided by the hash of their paths.

    A file is in the same shard on every machine, in every order and however many other files there
    are, as long as its path is written in the same way.

    Args:
        number: Which one, from 1.
        count: How many there are.

    Example:
        >>> shard = Shard.parse("1/2")
        >>> [shard.holds(Path(name)) for name in ("a.wav", "b.wav", "c.wav", "d.wav")]
        [True, False, False, True]
        >>> str(shard)
        '1/2'
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The shard that ``i/n`` stands for.

        Raises:
            ConfigError: It is not ``i/n`` with i from 1 to n.
        """
        number, _, count = text.partition("/")
        if number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
            return cls(int(number), int(count))
        raise ConfigError(
            f"--shard {text}: not I/N with I from 1 to N, as 1/8, 2/8 and so on to 8/8"
        )

    def holds(self, path: Path | str) -> bool:
        """Whether a file belongs to this shard.

        Args:
            path: As it is named: another spelling may be in another shard.
        """
        return xxhash.xxh3_64_intdigest(_to_bytes(path)) % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


class ShardFiles:
    """Goes through a list of files, finds those of a shard, and notes where they are in the list.

    Args:
        shard: Which of the files are found.

    Example:
        >>> files = ShardFiles(Shard(2, 2))
        >>> [name for name in ("a.wav", "b.wav", "c.wav") if files.take(Path(name))]
        ['b.wav', 'c.wav']
        >>> files.num_files, list(files.positions())
        (3, [(1, 'b.wav'), (2, 'c.wav')])
    """

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.num_files = 0
        self._digest = xxhash.xxh3_128()
        self._position_of: dict[str, int] = {}

    def take(self, path: Path) -> bool:
        """Whether the next file of the list is in the shard."""
        name = _to_bytes(path)
        self._digest.update(len(name).to_bytes(4, "little") + name)
        position, self.num_files = self.num_files, self.num_files + 1
        if not self.shard.holds(path):
            return False
        # A list may name a file twice; the last row of a file is the one that a table keeps.
        self._position_of[str(path)] = position
        return True

    @property
    def digest(self) -> str:
        """A digest of the whole list so far, by which two shards know that it is the same."""
        return self._digest.hexdigest()

    def positions(self) -> Iterator[tuple[int, str]]:
        """Where in the list the files of the shard are, from 0, and their names."""
        return ((position, name) for name, position in self._position_of.items())


def write_positions(path: Path, positions: Iterable[tuple[int, str]]) -> None:
    """Writes the positions of files in a list, for `read_positions`.

    Args:
        path: The file.
        positions: From `ShardFiles.positions`.
    """
    with atomic_open(path) as file:
        file.writelines(json.dumps(one).encode() + b"\n" for one in positions)


def read_positions(path: Path) -> Iterator[tuple[int, str]]:
    """Reads what `write_positions` wrote.

    Args:
        path: The file.

    Raises:
        DataError: It is damaged.
    """
    try:
        with path.open("rb") as lines:
            for line in lines:
                position, name = json.loads(line)
                yield int(position), str(name)
    except (ValueError, TypeError):
        raise DataError(f"{path}: damaged; run the command of this shard again") from None


def _to_bytes(path: Path | str) -> bytes:
    name = path.as_posix() if isinstance(path, Path) else path
    return os.fsencode(name)
