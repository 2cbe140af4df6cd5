"""Tags before, between and after sound: text and pictures that are skipped by their length."""

_APE_BYTES = 32
_APE_IS_HEADER = 1 << 29


def tag_bytes(head: bytes) -> int:
    """Length of the ID3v2 or APE tag that starts with some bytes; 0 if none does.

    Args:
        head: At least 24 bytes, or all that there are.

    Source:
        id3.org, ID3v2.4 section 3.1; APEv2 specification.

    Example:
        >>> tag_bytes(b"ID3" + bytes([4, 0, 0, 0, 0, 1, 72]) + bytes(14))
        210
    """
    if head.startswith(b"ID3") and len(head) >= 10 and max(head[6:10]) < 0x80:
        size = 0
        for byte in head[6:10]:  # Groups of seven bits.
            size = size << 7 | byte
        has_footer = head[3] >= 4 and head[5] & 0x10
        return 10 + size + (10 if has_footer else 0)
    if head.startswith(b"APETAGEX") and len(head) >= 24:
        size, _, flags = (int.from_bytes(head[at : at + 4], "little") for at in (12, 16, 20))
        return _APE_BYTES + (size if flags & _APE_IS_HEADER else 0)
    return 0


def is_tag(head: bytes) -> bool:
    """Whether a tag starts with some bytes, also one of those with a fixed length."""
    return head.startswith((b"ID3", b"TAG", b"APETAGEX"))
