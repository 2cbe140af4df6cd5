"""Freed memory is kept, also by processes that are started later."""

import ctypes
import mmap
import os
import platform
import subprocess
import sys

import pytest

from earmark.system.memory import keep_freed_memory

NUM_BYTES = 32 << 20
# Three blocks at once: more than the allocator keeps by itself when it has seen one freed.
COUNT_FAULTS = f"""
import resource, numpy
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    first, second, third = (numpy.ones({NUM_BYTES}, numpy.uint8) for _ in range(3))
    del first, second, third
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""
KEEP = "from earmark.system.memory import keep_freed_memory; keep_freed_memory()\n"
IN_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {COUNT_FAULTS!r}])"


def test_other_allocators_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("opened the C library"))
    keep_freed_memory()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
@pytest.mark.parametrize("script", [KEEP + COUNT_FAULTS, KEEP + IN_A_CHILD], ids=["here", "child"])
def test_large_blocks_are_not_taken_from_the_system_each_time(script):
    # In a process of its own, because the setting lasts as long as the process.
    environment = {name: one for name, one in os.environ.items() if "MALLOC" not in name}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, env=environment
    )
    assert int(result.stdout) < 3 * NUM_BYTES // mmap.PAGESIZE / 50
