"""The allocator's settings keep what is freed, and stay out of the way where there are none."""

import ctypes
import mmap
import platform
import subprocess
import sys

import pytest

from earmark.system.memory import keep_freed_memory


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("opened the C library"))
    keep_freed_memory()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
@pytest.mark.parametrize(
    ("advice", "num_bytes"),
    [("keep_freed_memory", 32 << 20), ("expect_large_blocks", 4 << 20)],
)
def test_large_blocks_are_not_taken_from_the_system_each_time(advice, num_bytes):
    # In a process of its own, because the setting lasts as long as the process. Three blocks at
    # once: what the allocator does not keep by itself when it has seen one.
    script = f"""
import resource, numpy, earmark.system.memory
earmark.system.memory.{advice}()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    first, second, third = (numpy.ones({num_bytes}, numpy.uint8) for _ in range(3))
    del first, second, third
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    pages = 3 * num_bytes // mmap.PAGESIZE
    assert int(result.stdout) < pages / 50
