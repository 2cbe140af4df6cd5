"""FLAC whose header declares fewer samples than its frames hold.

Source:
    RFC 9639, sections 8.2 (STREAMINFO) and 9.1 (frame headers).
"""

import re
from typing import BinaryIO

from earmark.audio.formats.pieces import Piece

_SEARCHED_BYTES = 1 << 17
_HEAD_BYTES = 42
_TOTAL = slice(21, 26)
"""The bytes of the header that hold the number of samples, in their lower 36 bits."""
_FRAME = re.compile(rb"\xff[\xf8\xf9][\x10-\xff]")
_SIZE_BYTES = {6: 1, 7: 2}
_RATE_BYTES = {12: 1, 13: 2, 14: 2}


def without_total(file: BinaryIO, size: int) -> list[Piece] | None:
    """A file as if its header declared no length; None where frames do not pass the declared one.

    Args:
        file: The file.
        size: Its length in bytes.
    """
    file.seek(0)
    head = bytearray(file.read(_HEAD_BYTES))
    if not head.startswith(b"fLaC") or len(head) < _HEAD_BYTES:
        return None
    total = int.from_bytes(head[_TOTAL]) & ((1 << 36) - 1)
    file.seek(max(size - _SEARCHED_BYTES, _HEAD_BYTES))
    tail = file.read()
    block = int.from_bytes(head[8:10])
    numbers = [_number(tail[found.start() : found.start() + 16]) for found in _FRAME.finditer(tail)]
    # One alone may be sound that looks like the header of a frame.
    beyond = {one for one in numbers if one is not None and one * block >= total > 0}
    if not any(one + 1 in beyond for one in beyond):
        return None
    head[_TOTAL] = bytes([head[21] & 0xF0, 0, 0, 0, 0])
    return [bytes(head), range(_HEAD_BYTES, size)]


def _number(head: bytes) -> int | None:
    """The number of the frame of fixed size that starts with some bytes; None if none does."""
    if len(head) < 16 or head[1] & 1 or head[3] & 1:
        return None
    num_more = 0 if head[4] < 0x80 else f"{head[4]:08b}".index("0") - 1 if head[4] < 0xFE else 6
    if num_more < 0:
        return None
    end = 5 + num_more + _SIZE_BYTES.get(head[2] >> 4, 0) + _RATE_BYTES.get(head[2] & 15, 0)
    if end >= len(head) or _crc8(head[:end]) != head[end]:
        return None
    number = head[4] & (0x7F if not num_more else 0x7F >> (num_more + 1))
    for byte in head[5 : 5 + num_more]:
        number = number << 6 | byte & 0x3F
    return number


def _crc8(content: bytes) -> int:
    value = 0
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ 0x07 if value & 0x80 else value << 1) & 0xFF
    return value
