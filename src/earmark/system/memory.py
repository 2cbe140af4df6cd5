"""The allocator's settings, for work that frees and takes the same large blocks again and again."""

import ctypes
import platform

import numpy as np

_LARGEST_DYNAMIC_BYTES = 31 << 20
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = (1 << 31) - 1


def keep_freed_memory() -> None:
    """Asks the allocator of glibc to keep what is freed, instead of returning it page by page.

    Every step of training frees and takes the same tens of megabytes, and every block of sound the
    same hundreds of kilobytes; returned to the system, they come back as page faults, which take
    as long as the arithmetic. Elsewhere this does nothing.

    Source:
        mallopt(3), M_MMAP_MAX and M_TRIM_THRESHOLD.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)


def expect_large_blocks() -> None:
    """Lets the allocator of glibc learn early that large blocks come and go.

    It raises what it keeps of freed memory to twice the largest block that it saw freed, up to
    64 MB, so one such block is taken and freed, untouched. Without it, judging a clip by a model in
    PyTorch takes page faults for longer than it computes. Unlike `keep_freed_memory`, which is for
    programs of our own, nothing is set that another program's blocks would not do as well.

    Source:
        mallopt(3), M_MMAP_THRESHOLD, on its dynamic adjustment.
    """
    np.empty(_LARGEST_DYNAMIC_BYTES, np.uint8)
