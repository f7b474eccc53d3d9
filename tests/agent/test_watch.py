"""When a worker is killed, and whom its end is blamed on, by rows."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from edgewright.agent.workers.watch import SPIN_S, Bounds, Sample, complaint, judge_end, last_calm

MIB = 1024 * 1024
BOUNDS = Bounds(rss_bytes=100 * MIB, request_timeout_s=30.0, load_timeout_s=300.0)
CALM = Sample(at_s=0.0, rss_bytes=MIB, cpu_s=0.0, requests=0, in_flight_s=None, is_loading=False, age_s=10.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"rss_bytes": 101 * MIB}, "takes 101 MiB of memory, its limit is 100 MiB"),
        ({"in_flight_s": 29.0}, ""),
        ({"in_flight_s": 31.0}, "hangs: a request is unanswered after 31 s"),
        ({"is_loading": True, "age_s": 299.0}, ""),
        ({"is_loading": True, "age_s": 301.0}, "not ready after 300 s"),
        ({"at_s": SPIN_S, "cpu_s": 0.9 * SPIN_S}, "spins: it took 90% of a processor for 20 s without a request"),
        ({"at_s": SPIN_S - 1, "cpu_s": SPIN_S - 1}, ""),
    ],
)
def test_what_is_wrong_with_a_worker_is_said_in_a_sentence(changes, words):
    now = replace(CALM, **changes)

    said = complaint(BOUNDS, CALM, now)

    assert words in said
    assert bool(said) == bool(words)


@pytest.mark.parametrize(
    ("changes", "is_calm"),
    [
        ({"cpu_s": 4.0}, False),
        ({"cpu_s": 1.3}, False),
        ({"cpu_s": 0.5}, True),  # it takes little
        ({"cpu_s": 4.0, "requests": 1}, True),  # it has worked
        ({"cpu_s": 4.0, "in_flight_s": 1.0}, True),
        ({"cpu_s": 4.0, "is_loading": True}, True),
    ],
)
def test_a_worker_spins_only_while_it_has_nothing_to_do(changes, is_calm):
    now = replace(CALM, at_s=5.0, **changes)

    assert (last_calm(CALM, CALM, now) is now) == is_calm


@pytest.mark.parametrize(
    ("code", "was_at_work", "is_out_of_memory", "is_strained", "is_blamed", "words"),
    [
        (-signal.SIGSEGV, False, False, False, True, "killed by SIGSEGV"),
        (-signal.SIGABRT, True, False, False, True, "killed by SIGABRT while it was at work"),
        (-signal.SIGKILL, True, False, False, True, "killed by SIGKILL while it was at work"),
        (-signal.SIGKILL, False, False, False, False, "killed by SIGKILL"),
        (-signal.SIGKILL, False, True, False, True, "more memory than its group may"),
        (-signal.SIGKILL, True, False, True, False, "SIGKILL"),
        (-signal.SIGKILL, True, True, True, False, "more memory than its group may"),
        (-signal.SIGSEGV, True, False, True, True, "SIGSEGV"),
        (-signal.SIGTERM, True, False, False, False, "SIGTERM"),
        (-64, True, False, False, False, "SIG"),
        (-99, True, False, False, False, "signal 99"),
        (0, True, False, False, False, "ended with code 0"),
        (3, False, False, False, True, "ended with code 3"),
    ],
)
def test_whom_an_end_is_blamed_on(code, was_at_work, is_out_of_memory, is_strained, is_blamed, words):
    blamed, reason = judge_end(code, was_at_work, is_out_of_memory, is_strained)

    assert blamed is is_blamed
    assert words in reason
