"""A remote file that is open: its bytes, fetched in blocks as they are asked for."""

from collections import OrderedDict
from typing import Any

from earmark.errors import RemoteError
from earmark.system.remote.cache import BLOCK_BYTES, BlockCache
from earmark.system.remote.transport import WHOLE_BYTES, Facts, Transport
from earmark.system.seekable import SeekableFile

MAX_RUN_BLOCKS = 32
"""Blocks that are fetched at once where a file is read from front to back: 4 MiB."""
HELD_BLOCKS = 2 * MAX_RUN_BLOCKS
"""Blocks that are kept in memory."""
SMALL_BYTES = 1 << 20
"""A file up to this size is fetched at once."""


class RemoteFile(SeekableFile):
    """The bytes of one version of a remote file. One thread may use it.

    What is read comes from the cache or the server. After each request the server is asked whether
    the file is still the same, so that bytes of different versions are never mixed or cached.

    Args:
        name: The address without secrets, for messages.
        transport: Makes the requests.
        facts: Of the file as it is opened.
        cache: Where blocks are kept.
    """

    mode = "rb"

    def __init__(self, name: str, transport: Transport, facts: Facts, cache: BlockCache) -> None:
        if facts.size is None:
            raise IsADirectoryError(f"{name}: is a folder")
        self.name = name
        self._transport, self._facts, self._cache = transport, facts, cache
        super().__init__(facts.size)
        self._object = cache.object_name(name, facts.version or "", self._size)
        self._held: OrderedDict[int, bytes] = OrderedDict()
        self._next_block = -1
        self._run = MAX_RUN_BLOCKS if self._size <= SMALL_BYTES else 1

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer from one block, or less at its end.

        Raises:
            OSError: The file cannot be read, or has changed since it was opened.
        """
        if self._position >= self._size or not len(buffer):
            return 0
        number, start = divmod(self._position, BLOCK_BYTES)
        content = self._block(number)[start : start + len(buffer)]
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def _block(self, number: int) -> bytes:
        block = self._held.get(number)
        if block is not None:
            self._held.move_to_end(number)
            return block
        block = self._kept(number)
        if block is None:
            block = self._fetch(number)
        self._hold(number, block)
        return block

    def _kept(self, number: int) -> bytes | None:
        if self._facts.version is None:
            return None
        block = self._cache.get(self._object, number)
        return block if block is not None and len(block) == len(self._extent(number)) else None

    def _extent(self, number: int) -> range:
        start = number * BLOCK_BYTES
        return range(start, min(start + BLOCK_BYTES, self._size))

    def _fetch(self, number: int) -> bytes:
        """Fetches a block, and those after it if the file is read from front to back."""
        if self._size > SMALL_BYTES:
            is_next = number == self._next_block
            self._run = min(2 * self._run, MAX_RUN_BLOCKS) if is_next else 1
        last = number
        while (
            last + 1 < number + self._run
            and (last + 1) * BLOCK_BYTES < self._size
            and last + 1 not in self._held
        ):
            last += 1
        extent = range(self._extent(number).start, self._extent(last).stop)
        if not self._facts.has_ranges:
            if self._size > WHOLE_BYTES:
                reason = "the server does not send parts of files; download the file"
                raise RemoteError(f"{self.name}: cannot be read: {reason}", reason)
            extent = range(self._size)
        content = self._transport.read(extent, self._size)
        start = 0 if len(content) == self._size else extent.start
        self._require_unchanged()
        view = memoryview(content)
        for one in range(start // BLOCK_BYTES, -(-(start + len(content)) // BLOCK_BYTES)):
            extent = self._extent(one)
            block = bytes(view[extent.start - start : extent.stop - start])
            if self._facts.version is not None:
                self._cache.put(self._object, one, block)
            self._hold(one, block)
        self._next_block = last + 1
        at = number * BLOCK_BYTES - start
        return bytes(view[at : at + len(self._extent(number))])

    def _hold(self, number: int, block: bytes) -> None:
        self._held[number] = block
        while len(self._held) > HELD_BLOCKS:
            self._held.popitem(last=False)

    def _require_unchanged(self) -> None:
        if self._transport.facts() != self._facts:
            reason = "it changed while it was read; run the command again"
            raise RemoteError(f"{self.name}: cannot be read: {reason}", reason)
