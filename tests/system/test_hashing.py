"""The digest depends on the content of a file alone."""

import pytest

from earmark.errors import AudioError
from earmark.system.hashing import HASHED_BYTES, content_hash


def test_the_digest_depends_on_the_content_alone(tmp_path):
    for name, content in {"a": b"one", "b": b"one", "c": b"two"}.items():
        (tmp_path / name).write_bytes(content)
    a, b, c = (content_hash(tmp_path / name) for name in "abc")
    assert a == b != c
    assert len(a) == 32


def test_every_byte_counts_however_long_the_file(tmp_path):
    content = bytearray(3 * HASHED_BYTES + 1)
    (tmp_path / "a").write_bytes(content)
    content[-1] = 1
    (tmp_path / "b").write_bytes(content)
    assert content_hash(tmp_path / "a") != content_hash(tmp_path / "b")


def test_a_known_digest(tmp_path):
    """XXH3 128 of nothing, as its specification lists it."""
    (tmp_path / "empty").touch()
    assert content_hash(tmp_path / "empty") == "99aa06d3014798d86001c324468d497f"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(AudioError, match="gone") as caught:
        content_hash(tmp_path / "gone")
    assert caught.value.fault == "missing"
