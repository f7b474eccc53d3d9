"""What start-up has touched and running does not need, given back to the machine.

A process that has imported much keeps pages of code and tables that it never reads again. They are clean copies of
files, so the kernel would take them once memory is short; here they are let go before. Whatever is needed again comes
back from the page cache by itself (madvise(2), MADV_DONTNEED on file mappings that nothing was written to).
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Container
from pathlib import Path

MAPS = Path("/proc/self/smaps")
Span = tuple[int, int]
"""Address and length of a mapping."""

_PRIVATE = ("Anonymous:", "Swap:")
_MADV_DONTNEED = 4
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def give_back(among: Container[Span] | None = None) -> None:
    """Let go of unread pages and of freed memory; costs some milliseconds, and changes nothing that can be observed.

    A library that another thread loads just now looks clean and is not: where others run, `among` are the mappings
    that were found clean a while ago, and no more than these is let go.
    """
    gc.collect()
    if hasattr(_LIBC, "malloc_trim"):  # glibc's
        _LIBC.malloc_trim(0)
    for span in clean_mappings(MAPS):
        if among is None or span in among:
            _LIBC.madvise(*span, _MADV_DONTNEED)


def clean_mappings(smaps: Path = MAPS) -> list[Span]:
    """The mappings that show a file's bytes and nothing else (proc(5), smaps).

    Those that may be written to are left out, and so are those with private pages, in memory or swapped out: a
    library's tables that the loader has filled in would be lost.
    """
    try:
        lines = smaps.read_text().splitlines()
    except OSError:
        return []
    found: dict[Span, int] = {}  # and how many KiB of it are private
    span = None
    for line in lines:
        words = line.split()
        if not words[0].endswith(":"):
            span = _span_of_file(words)
        elif span is not None and words[0] in _PRIVATE:
            found[span] = found.get(span, 0) + int(words[1])
    return [span for span, private_kb in found.items() if private_kb == 0]


def _span_of_file(words: list[str]) -> Span | None:
    """Where a mapping lies that shows a file and is neither shared nor to be written to."""
    if len(words) < 6 or not words[5].startswith("/") or "w" in words[1] or "s" in words[1]:
        return None
    start, end = (int(word, 16) for word in words[0].split("-"))
    return start, end - start
