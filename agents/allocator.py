"""Freed memory is kept for the next step of a training."""

from __future__ import annotations

import ctypes
import platform

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, so that the next step of a training finds it again.

    glibc gives blocks of 32 MiB and more back to the system as soon as they are freed. A step that makes such tensors
    then gets new pages for each of them, zeroed one by one, which costs more than its arithmetic: MI-KGNN at depth 4
    took 2.5 times as long. The process stays as large as it was at most; what it computes does not change.

    Returns:
        Whether it could be asked for; elsewhere than with glibc nothing is done.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    done = [
        mallopt(option, value)
        for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, 64 << 20))  # -1: never
    ]
    return all(done)  # 1 for each that was taken
