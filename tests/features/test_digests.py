"""Digests are never those of old content."""

import json
import os
import shutil
import time

import pytest

from earmark.errors import AudioError
from earmark.features import digests as digests_module
from earmark.features.digests import ContentDigests
from earmark.system import file_state
from earmark.system.checksums import checked_line
from earmark.system.hashing import content_hash


@pytest.fixture
def settled(monkeypatch):
    """Files count as settled at once; after these seconds a change has another time stamp."""
    monkeypatch.setattr(file_state, "SETTLING_NS", -1)
    return 0.03


@pytest.fixture
def digest(tmp_path):
    """A function that gives the digest of a file, as a new process would."""

    def compute(path):
        with ContentDigests(tmp_path / "store") as digests:
            return digests.digest(path)

    return compute


def keep_times(path, work):
    stat = path.stat()
    work()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def swap(one, other):
    spare = one.with_suffix(".spare")
    one.rename(spare)
    other.rename(one)
    spare.rename(other)


def rewrite(one, other):
    content = other.read_bytes()
    keep_times(one, lambda: one.write_bytes(content))


def replace_by_copy(one, other):
    copy = one.with_suffix(".copy")
    shutil.copyfile(other, copy)
    os.utime(copy, ns=(0, one.stat().st_mtime_ns))
    copy.replace(one)


def link_elsewhere(one, other):
    one.unlink()
    one.symlink_to(other)


@pytest.mark.parametrize("change", [swap, rewrite, replace_by_copy, link_elsewhere])
def test_content_that_changes_under_the_same_size_and_time_is_read_again(
    tmp_path, settled, digest, change
):
    one, other = tmp_path / "one.wav", tmp_path / "other.wav"
    one.write_bytes(b"one")
    other.write_bytes(b"two")
    for path in (one, other):
        os.utime(path, ns=(0, 1_000_000_000))
    before = digest(one), digest(other)
    time.sleep(settled)
    change(one, other)
    assert (one.stat().st_size, one.stat().st_mtime_ns) == (3, 1_000_000_000)
    assert digest(one) == before[1] == content_hash(one)


def test_an_unchanged_file_is_not_read_again(tmp_path, settled, digest, monkeypatch):
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound")
    before = digest(path)
    monkeypatch.setattr(digests_module, "content_hash", pytest.fail)
    assert digest(path) == before


def test_a_file_that_was_just_changed_is_read_each_time(tmp_path, digest):
    """Another change may have the same time stamp; here it has the same state altogether."""
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    with ContentDigests(tmp_path / "store") as digests:
        before = digests.digest(path)
        path.write_bytes(b"new")
        assert digests.digest(path) == content_hash(path) != before
    path.write_bytes(b"now")
    assert digest(path) == content_hash(path)


def test_on_request_every_file_is_read_again(tmp_path, settled, digest):
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound")
    true = digest(path)
    table = tmp_path / "store" / "digests.jsonl"
    forged = table.read_bytes().replace(true.encode(), b"0" * 32)
    table.write_bytes(checked_line(json.loads(forged)[1]))
    assert digest(path) == "0" * 32
    with ContentDigests(tmp_path / "store", verify=True) as digests:
        assert digests.digest(path) == true
    assert digest(path) == true


def test_files_are_known_by_their_content(tmp_path, digest):
    for name, content in (("a.wav", b"one"), ("b.wav", b"two"), ("c.wav", b"one")):
        (tmp_path / name).write_bytes(content)
        found = digest(tmp_path / name)
    files = ContentDigests(tmp_path / "store").files_of({found})
    assert files == {found: [tmp_path / "a.wav", tmp_path / "c.wav"]}


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    digests = ContentDigests(tmp_path / "store")
    found = digests.digest(path)
    digests.confirm(path, found)
    path.write_bytes(b"new")
    with pytest.raises(AudioError, match=r"a\.wav") as caught:
        digests.confirm(path, found)
    assert caught.value.fault == "changed"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"b\.wav") as caught:
        ContentDigests(tmp_path).digest(tmp_path / "b.wav")
    assert caught.value.fault == "missing"


def test_lines_of_earlier_versions_are_not_trusted(tmp_path, settled, digest):
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound")
    stat = path.stat()
    line = {"path": str(path), "size": 5, "changed_ns": stat.st_mtime_ns, "digest": "0"}
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "digests.jsonl").write_text(json.dumps(line))
    assert digest(path) == content_hash(path)
    # And the torn line does not spoil the next.
    assert len((tmp_path / "store" / "digests.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("flip", [True, False])
def test_no_damaged_byte_gives_another_digest(tmp_path, settled, digest, flip):
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound")
    true = digest(path)
    table = tmp_path / "store" / "digests.jsonl"
    whole = table.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] = damaged[place] ^ 1 << place % 8 if flip else 0
        table.write_bytes(damaged)
        assert ContentDigests(tmp_path / "store").digest(path) == true
