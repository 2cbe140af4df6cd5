"""The allocator's settings stay out of the way where there are none."""

import ctypes
import platform
import subprocess
import sys

import pytest

from earmark.memory import keep_freed_memory


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("opened the C library"))
    keep_freed_memory()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_large_blocks_are_not_mapped_one_by_one(tmp_path):
    # In a process of its own, because the setting lasts as long as the process.

    script = """
import resource, numpy, earmark.memory
earmark.memory.keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    numpy.ones(1 << 22)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(result.stdout) < 100  # 8192 pages otherwise
