"""The log of a command: nothing is lost, and the database is not asked for every line."""

from edgewright.hub.automate.runlog import MAX_WAITING_CHARS, RunLog


def test_lines_within_a_second_are_saved_together():
    saved: list[str] = []
    now = 100.0
    log = RunLog(saved.append, lambda: now)

    for number in range(1000):
        log.add(str(number))
    log.flush()

    assert len(saved) == 2
    assert "".join(saved) == "".join(f"{number}\n" for number in range(1000))


def test_a_line_after_a_quiet_second_is_saved_at_once():
    saved: list[str] = []
    times = iter([100.0, 100.0, 101.5, 101.5])
    log = RunLog(saved.append, lambda: next(times))

    log.add("first")
    log.add("second")

    assert saved == ["first\n", "second\n"]


def test_a_flood_keeps_its_end():
    saved: list[str] = []
    log = RunLog(saved.append, lambda: 100.0)
    log.add("begin")

    for _ in range(1000):
        log.add("x" * 1000)
    log.add("end")
    log.flush()

    assert len(saved[-1]) == MAX_WAITING_CHARS
    assert saved[-1].endswith("end\n")
