"""Chained files: several recordings one after another, as stream recorders and ``cat`` write.

libsndfile stops after the first recording; FFmpeg reads all of them.
"""

from pathlib import Path

_OGG_PAGE = b"OggS"
_LONGEST_OGG_PAGE = 65_307
_HEAD_BYTES = 4096


def is_chained(path: Path) -> bool:
    """Whether an Ogg file is chained, or an mp3 continues after the length that it declares.

    Source:
        RFC 3533, section 6, for the serial number of an Ogg page; the mp3 length is that of the
        Xing header as LAME writes it.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head.startswith(_OGG_PAGE):
            file.seek(max(0, path.stat().st_size - 2 * _LONGEST_OGG_PAGE))
            tail = file.read()
            last = tail.rfind(_OGG_PAGE)
            return last >= 0 and tail[last + 14 : last + 18] != head[14:18]
        first = _id3_bytes(head)
        file.seek(first)
        declared = _xing_bytes(file.read(_HEAD_BYTES))
        if declared is None:
            return False
        file.seek(first + declared)
        return _starts_mp3(file.read(4))


def _id3_bytes(head: bytes) -> int:
    """Length of the tag before the sound; its size is coded in groups of seven bits."""
    if not head.startswith(b"ID3"):
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _xing_bytes(frame: bytes) -> int | None:
    """Length of the sound as the first frame declares it; None when it does not."""
    if not _starts_mp3(frame):
        return None
    at = max(frame.find(b"Xing", 0, 64), frame.find(b"Info", 0, 64))
    if at < 0 or len(frame) < at + 16 or frame[at + 7] & 3 != 3:
        return None
    return int.from_bytes(frame[at + 12 : at + 16])


def _starts_mp3(content: bytes) -> bool:
    is_sync = len(content) >= 2 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0
    return is_sync or content.startswith(b"ID3")
