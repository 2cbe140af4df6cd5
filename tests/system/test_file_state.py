"""What the file system notes of a file."""

import os
import time

from earmark.system.file_state import FileState


def test_a_restored_time_of_modification_is_another_state(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    before = FileState.of(path)
    time.sleep(0.03)
    path.write_bytes(b"new")
    os.utime(path, ns=(0, before.modified_ns))
    after = FileState.of(path)
    assert (after.size, after.modified_ns) == (before.size, before.modified_ns)
    assert after != before


def test_a_file_is_settled_when_its_last_change_is_past(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"sound")
    assert not FileState.of(path).is_settled
    later = time.time_ns() + 3_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert FileState.of(path).is_settled
    # A clock that was set back says nothing.
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert not FileState.of(path).is_settled
