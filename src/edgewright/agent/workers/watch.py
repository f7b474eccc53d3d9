"""When a worker that runs is to be killed, and whom the end of one is to be blamed on. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass

BUSY_S, QUIET_S = 1.0, 5.0  # how often a worker is looked at, with a request in flight and without
SPIN_S = 20.0
SPIN_SHARE = 0.25  # of one processor, with nothing to do; on a busy device it gets no more
FAULTS = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGSYS, signal.SIGTRAP}
)
MIB = 1024 * 1024


@dataclass(frozen=True)
class Bounds:
    """What a worker may take: resident memory, the seconds of one request, and those of loading."""

    rss_bytes: int
    request_timeout_s: float
    load_timeout_s: float


@dataclass(frozen=True)
class Sample:
    """A worker at one moment (of the monotonic clock). `in_flight_s` is the age of its oldest request."""

    at_s: float
    rss_bytes: int
    cpu_s: float
    requests: int
    in_flight_s: float | None
    is_loading: bool
    age_s: float


def complaint(bounds: Bounds, calm: Sample, now: Sample) -> str:
    """Why the worker is to be killed, as a sentence; '' where it does well. `calm` is what `last_calm` gave."""
    if is_over_memory(bounds, now):
        return f"the worker takes {now.rss_bytes // MIB} MiB of memory, its limit is {bounds.rss_bytes // MIB} MiB"
    if now.is_loading:
        is_late = now.age_s > bounds.load_timeout_s
        return f"the worker was not ready after {bounds.load_timeout_s:g} s" if is_late else ""
    if now.in_flight_s is not None and now.in_flight_s > bounds.request_timeout_s:
        return f"the worker hangs: a request is unanswered after {now.in_flight_s:.0f} s"
    if now.at_s - calm.at_s >= SPIN_S:
        passed_s = now.at_s - calm.at_s
        share = (now.cpu_s - calm.cpu_s) / passed_s
        return f"the worker spins: it took {share:.0%} of a processor for {passed_s:.0f} s without a request"
    return ""


def is_over_memory(bounds: Bounds, now: Sample) -> bool:
    """Whether it takes more memory than it may."""
    return now.rss_bytes > bounds.rss_bytes


def last_calm(calm: Sample, before: Sample, now: Sample) -> Sample:
    """The latest sample up to which its use of the processor was in order: it had work, or took little."""
    had_work = now.is_loading or now.in_flight_s is not None or now.requests != before.requests
    took_little = now.cpu_s - before.cpu_s < SPIN_SHARE * (now.at_s - before.at_s)
    return now if had_work or took_little else calm


def judge_end(code: int, was_at_work: bool, is_out_of_memory: bool, is_strained: bool) -> tuple[bool, str]:
    """Whether the model is to blame that its worker ended with `code` (below 0: that signal) unasked; and a sentence.

    A signal of a fault always blames it. SIGKILL does if the model was at work: then it was most likely the kernel, for
    want of memory. Want of memory blames nothing that was strained: asked for more at once than its self-test has shown
    that it can take. Any other signal, and an end with code 0, is people's doing or the service manager's.
    """
    if is_out_of_memory:
        return not is_strained, "the kernel killed the worker: it took more memory than its group may"
    if code >= 0:
        return code > 0, f"the worker ended with code {code}"
    is_fault = -code in FAULTS or (-code == signal.SIGKILL and was_at_work and not is_strained)
    return is_fault, f"the worker was killed by {signal_name(-code)}{' while it was at work' if was_at_work else ''}"


def signal_name(number: int) -> str:
    """As in SIGSEGV."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
