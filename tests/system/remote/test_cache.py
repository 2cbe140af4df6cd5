import os
from concurrent.futures import ThreadPoolExecutor

from earmark.system.remote.cache import BLOCK_BYTES, BlockCache


def blocks(folder):
    return [one for one in folder.rglob("*") if one.is_file() and one.name.isdigit()]


def test_blocks_that_were_used_last_are_kept(tmp_path):
    cache = BlockCache(tmp_path, 10_000)
    name = cache.object_name("s3://b/a.wav", "v1", 5)
    for number in range(9):
        cache.put(name, number, bytes(1000))
        path = cache._path(name, number)
        os.utime(path, (number, number))
    cache.get(name, 0)
    cache.put(name, 9, bytes(1000))
    cache.put(name, 10, bytes(1000))
    cache.evict()
    assert sum(one.stat().st_size for one in blocks(tmp_path)) <= 10_000
    assert cache.get(name, 0) == bytes(1000)
    assert cache.get(name, 10) == bytes(1000)
    assert cache.get(name, 1) is None


def test_many_writers_stay_within_the_limit(tmp_path):
    limit = 40 * 1008

    def write(writer):
        # As another process would, each has its own count.
        cache = BlockCache(tmp_path, limit)
        for number in range(50):
            cache.put(cache.object_name(f"{writer}", "v", 1), number, bytes(1000))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    BlockCache(tmp_path, limit).evict()
    assert sum(one.stat().st_size for one in blocks(tmp_path)) <= limit
    assert not [one for one in tmp_path.rglob(".*") if one.is_file()]


def test_a_damaged_block_counts_as_missing(tmp_path):
    cache = BlockCache(tmp_path, 1 << 20)
    name = cache.object_name("s3://b/a.wav", "v1", 5)
    cache.put(name, 0, b"hello")
    path = cache._path(name, 0)
    path.write_bytes(path.read_bytes()[:-1] + b"p")
    assert cache.get(name, 0) is None


def test_another_version_is_another_object(tmp_path):
    cache = BlockCache(tmp_path, 1 << 20)
    names = {
        cache.object_name(*facts)
        for facts in (("a", "v1", 5), ("a", "v2", 5), ("a", "v1", 6), ("b", "v1", 5))
    }
    assert len(names) == 4


def test_without_a_disk_nothing_is_kept(tmp_path):
    (tmp_path / "file").touch()
    for cache in (BlockCache(tmp_path / "file", 1 << 20), BlockCache(tmp_path / "new", 0)):
        cache.put("00aa", 0, bytes(BLOCK_BYTES))
        assert cache.get("00aa", 0) is None
    assert not (tmp_path / "new").exists()
