"""Settings of the memory allocator, for work that frees and allocates large blocks repeatedly."""

import ctypes
import os
import platform

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = (1 << 31) - 1


def keep_freed_memory() -> None:
    """Makes the allocator of glibc keep freed memory instead of returning it to the system.

    Every training step and every decoded block frees and allocates the same megabytes again; memory
    that went back to the system returns by page faults, which take as long as the arithmetic.

    The setting holds for the whole process, and for processes that it starts later. The command
    line and the worker processes therefore make it, and no function of the library does. A program
    of its own may call it once at its start; without it, prediction spends more processor time on
    page faults. Elsewhere than with glibc this does nothing.

    Source:
        mallopt(3), M_MMAP_MAX and M_TRIM_THRESHOLD, and the environment variables named there.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)
        os.environ.setdefault("MALLOC_MMAP_MAX_", "0")
        os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(_NEVER))
