"""What start-up has touched and running does not need, given back to the machine.

A process that has imported much keeps pages of code and tables that it never reads again. They are clean copies of
files, so the kernel would take them once memory is short; here they are let go before. Whatever is needed again comes
back from the page cache by itself (madvise(2), MADV_DONTNEED on file mappings that nothing was written to).
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from pathlib import Path

MAPS = Path("/proc/self/smaps")
_MADV_DONTNEED = 4
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def give_back() -> None:
    """Let go of unread pages and of freed memory; costs some milliseconds, and changes nothing that can be observed."""
    gc.collect()
    if hasattr(_LIBC, "malloc_trim"):  # glibc's
        _LIBC.malloc_trim(0)
    for start, length in clean_mappings(MAPS):
        _LIBC.madvise(start, length, _MADV_DONTNEED)


def clean_mappings(smaps: Path) -> Iterator[tuple[int, int]]:
    """Address and length of the mappings that show a file's bytes and nothing else (proc(5), smaps).

    Those that may be written to are left out, and so are those with private pages: a library's tables that the
    loader has filled in would be lost.
    """
    try:
        lines = smaps.read_text().splitlines()
    except OSError:
        return
    span = (0, 0)
    for line in lines:
        words = line.split()
        if not words[0].endswith(":"):
            start, _, end = words[0].partition("-")
            is_file = len(words) > 5 and words[5].startswith("/") and "w" not in words[1] and "s" not in words[1]
            span = (int(start, 16), int(end, 16) - int(start, 16)) if is_file else (0, 0)
        elif words[0] == "Anonymous:" and span[1] and words[1] == "0":
            yield span
