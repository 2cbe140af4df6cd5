"""Locks exclude, and are free when their holder is gone."""

import subprocess
import sys

from earmark.system.locks import FileLock, is_held


def test_a_lock_excludes_until_it_is_released(tmp_path):
    path = tmp_path / "lock"
    path.write_text("kept")
    one, other = FileLock(path), FileLock(path)
    with one:
        assert not other.acquire(wait=False)
        assert is_held(path)
    assert not is_held(path)
    assert other.acquire(wait=False)
    other.release()
    assert path.read_text() == "kept"


def test_a_file_that_is_missing_is_held_by_nobody_and_is_not_made(tmp_path):
    assert not is_held(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_a_killed_process_is_free(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from earmark.system.locks import FileLock;"
        "lock = FileLock(Path(sys.argv[1])); lock.acquire();"
        "print('taken', flush=True); time.sleep(60)"
    )
    path = tmp_path / "lock"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "taken\n"
        assert is_held(path)
        process.kill()
        process.wait()
    assert not is_held(path)
