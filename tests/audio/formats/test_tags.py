"""Tags are as long as they declare."""

import pytest

from earmark.audio.formats.tags import tag_bytes

APE_HEADER = b"APETAGEX" + bytes([0xD0, 7, 0, 0, 0x10, 1, 0, 0, 1, 0, 0, 0])


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"ID3\x03\0\0\0\0\x02\x01", 267),
        (b"ID3\x04\0\x10\0\0\x02\x01", 277),
        (b"ID3\x03\0\x10\0\0\x02\x01", 267),
        (APE_HEADER + b"\0\0\0\xa0", 304),
        (APE_HEADER + b"\0\0\0\x80", 32),
        (b"ID3\x03\0\0\0\0\x80\0", 0),
        (b"ID3", 0),
        (b"TAG", 0),
        (b"", 0),
    ],
)
def test_a_tag_has_the_length_that_its_header_declares(head, length):
    assert tag_bytes(head) == length
