import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import RemoteError
from earmark.system.remote.cache import BLOCK_BYTES, BlockCache
from earmark.system.remote.file import SMALL_BYTES, RemoteFile
from earmark.system.remote.path import to_path
from earmark.system.remote.transport import Facts, Transport

CONTENT = b"".join(number.to_bytes(4, "little") for number in range(700_001)) + b"end"


class FakeTransport(Transport):
    def __init__(self, content, version="v", has_ranges=True):
        self.content = content
        self.now = Facts(len(content), version, 0, has_ranges)
        self.extents = []

    def facts(self):
        return self.now

    def read(self, extent, size):
        self.extents.append(extent)
        return self.content[extent.start : extent.stop] if self.now.has_ranges else self.content


def opened(transport, folder):
    cache = BlockCache(folder or Path(), 1 << 24 if folder else 0)
    return io.BufferedReader(RemoteFile("x", transport, transport.facts(), cache), 1 << 12)


@given(
    st.lists(st.tuples(st.integers(0, len(CONTENT) + 9), st.integers(0, 300_000)), max_size=6),
    st.booleans(),
)
def test_reads_are_those_of_a_local_file(reads, has_ranges):
    transport = FakeTransport(CONTENT, None, has_ranges)
    remote, local = opened(transport, None), io.BytesIO(CONTENT)
    for position, size in reads:
        assert remote.seek(position) == local.seek(position)
        assert remote.read(size) == local.read(size)


def test_only_the_blocks_around_a_place_are_fetched(tmp_path):
    transport = FakeTransport(CONTENT)
    with opened(transport, tmp_path) as file:
        file.seek(1_500_000)
        file.read(100)
    assert [len(one) for one in transport.extents] == [BLOCK_BYTES]
    with opened(transport, tmp_path) as file:
        file.seek(1_500_000)
        assert file.read(100) == CONTENT[1_500_000:1_500_100]
    assert len(transport.extents) == 1


def test_reading_on_fetches_more_at_once(tmp_path):
    transport = FakeTransport(CONTENT)
    assert opened(transport, tmp_path).read() == CONTENT
    assert len(transport.extents) < len(CONTENT) / BLOCK_BYTES / 2
    assert sum(map(len, transport.extents)) == len(CONTENT)


def test_a_small_file_is_fetched_at_once(tmp_path):
    transport = FakeTransport(CONTENT[:SMALL_BYTES])
    opened(transport, tmp_path).read(10)
    assert [len(one) for one in transport.extents] == [SMALL_BYTES]


def test_a_file_that_changes_is_neither_mixed_nor_cached(tmp_path):
    transport = FakeTransport(CONTENT)
    file = opened(transport, tmp_path)
    file.read(10)
    before = transport.now
    transport.now = Facts(len(CONTENT), "w", 0)
    transport.content = bytes(len(CONTENT))
    with pytest.raises(RemoteError):
        file.read(2 * BLOCK_BYTES)
    # As it was again, under its old version.
    transport.now, transport.content = before, CONTENT
    assert opened(transport, tmp_path).read() == CONTENT


def test_without_a_version_nothing_is_cached(tmp_path):
    for content in (b"a" * 100, b"b" * 100):
        assert opened(FakeTransport(content, None), tmp_path).read() == content


def test_a_server_without_ranges_sends_the_file_once(file_server):
    file_server.files["/a.wav"] = CONTENT
    file_server.has_ranges = False
    path = to_path(f"{file_server.url}/a.wav")
    with path.open("rb") as file:
        file.seek(2_000_000)
        assert file.read(10) == CONTENT[2_000_000:2_000_010]
        file.seek(5)
        assert file.read(10) == CONTENT[5:15]
    assert file_server.num_sent == len(CONTENT)


def test_a_changed_file_is_read_anew(file_server):
    path = to_path(f"{file_server.url}/a.wav")
    for content in (b"old!", b"new!", b"old!"):
        file_server.files["/a.wav"] = content
        assert path.read_bytes() == content
