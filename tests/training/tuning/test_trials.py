"""A worker is alive as long as it holds its lock."""

import subprocess
import sys

from filelock import FileLock

from earmark.training.tuning.trials import _is_held


def test_a_lock_is_held_until_it_is_released(tmp_path):
    with FileLock(tmp_path / "worker"):
        assert _is_held(tmp_path / "worker")
    assert not _is_held(tmp_path / "worker")


def test_a_file_that_is_missing_is_held_by_nobody_and_is_not_made(tmp_path):
    assert not _is_held(tmp_path / "worker")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_a_killed_process_is_free(tmp_path):
    code = (
        "import sys, time; from filelock import FileLock;"
        "lock = FileLock(sys.argv[1]); lock.acquire();"
        "print('taken', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "worker")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "taken\n"
        assert _is_held(tmp_path / "worker")
        process.kill()
        process.wait()
    assert not _is_held(tmp_path / "worker")
