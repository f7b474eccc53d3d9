"""What the kernel holds a child of the agent to."""

from __future__ import annotations

import os
import resource
import sys

import pytest

from edgewright.agent.system import Limits, start_bound
from edgewright.agent.system.limits import can_undo_nice, own_nice, undo_nice

MIB = 1024 * 1024


def said(code: str, limits: Limits) -> str:
    process = start_bound([sys.executable, "-c", code], limits=limits)
    output, _ = process.communicate(timeout=30)
    return output.decode().strip()


def test_a_child_gets_no_more_memory_of_its_own_than_its_limit():
    code = "try: b = bytearray(200 << 20); print('got it')\nexcept MemoryError: print('refused')"

    assert said(code, Limits(data_bytes=100 * MIB)) == "refused"
    assert said(code, Limits(data_bytes=400 * MIB)) == "got it"


def test_a_child_dumps_no_core_and_opens_no_more_files_than_its_limit():
    code = "import resource as r; print(r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_NOFILE))"

    assert said(code, Limits(files=64)) == "(0, 0) (64, 64)"


def test_a_limit_above_what_the_agent_itself_may_is_no_fault():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    code = "import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE)[1])"

    assert said(code, Limits(files=hard + 1)) == str(hard)


def test_a_child_that_was_nice_is_made_as_urgent_as_the_agent():
    if not can_undo_nice():
        pytest.skip("this process may not raise priorities")
    process = start_bound(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], limits=Limits(nice=10)
    )
    assert process.stdout is not None
    process.stdout.readline()
    before = os.getpriority(os.PRIO_PROCESS, process.pid)

    undo_nice(process.pid)

    after = os.getpriority(os.PRIO_PROCESS, process.pid)
    process.kill()
    process.communicate()
    assert (before, after) == (own_nice() + 10, own_nice())
    undo_nice(process.pid)  # it has gone: no fault
