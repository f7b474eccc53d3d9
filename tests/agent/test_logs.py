"""The log on the disk: bounded, never in the way, and found again."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys

import pytest

from edgewright.agent.cli import main
from edgewright.agent.system import logs
from edgewright.agent.system.logs.file import LogFile, paths
from edgewright.agent.system.logs.reading import Wanted, follow, tail


def line(number: int, **facts: object) -> bytes:
    facts = {"at": f"2026-03-01T10:00:{number % 60:02}.000+00:00", "level": "info", "message": "m", **facts}
    return json.dumps({**facts, "number": number}).encode()


def test_the_files_keep_to_their_bound_and_hold_the_last_lines(tmp_path):
    file = LogFile(tmp_path, 4000)

    for number in range(500):
        file.append(line(number))

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000
    assert [found["number"] for found in tail(tmp_path, Wanted(), 10)] == list(range(490, 500))


def test_a_line_that_is_longer_than_a_file_is_cut_and_not_read_back(tmp_path):
    file = LogFile(tmp_path, 400)

    file.append(line(1, reason="x" * 10_000))
    file.append(line(2))

    assert [found["number"] for found in tail(tmp_path, Wanted(), 10)] == [2]


def test_a_disk_that_takes_nothing_stops_nobody_and_the_loss_is_told(tmp_path):
    folder = tmp_path / "logs"
    folder.write_text("a file where the folder should be")
    file = LogFile(folder, 4000)
    file.append(line(1))
    file.append(line(2))
    folder.unlink()

    file.append(line(3))

    assert [found.get("lines", found.get("number")) for found in tail(folder, Wanted(), 10)] == [2, 3]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_stops_nobody(tmp_path):
    file = LogFile(tmp_path, 4000)
    file._fd = os.open("/dev/full", os.O_WRONLY)

    file.append(line(1))
    file.append(line(2))

    assert [found.get("lines", found.get("number")) for found in tail(tmp_path, Wanted(), 10)] == [1, 2]


def test_the_log_follows_over_a_change_of_files(tmp_path):
    file = LogFile(tmp_path, 800)
    file.append(line(0))
    numbers = iter(range(1, 9))
    following = follow(tmp_path, Wanted(), lambda _: file.append(line(next(numbers))) is not None)

    assert [next(following)["number"] for _ in range(8)] == list(range(1, 9))
    assert paths(tmp_path)[1].exists()


def test_level_model_and_time_choose_the_lines(tmp_path, capsys):
    file = LogFile(tmp_path / "logs", 100_000)
    file.append(line(1))
    file.append(line(2, level="warning", model="defects"))
    file.append(line(3, level="warning", model="sounds"))
    file.append(b"torn {")

    code = main(
        ["logs", "--dir", str(tmp_path), "--level", "warning", "--model", "defects", "--since", "2026-03-01", "--json"]
    )

    assert code == 0
    assert [json.loads(text)["number"] for text in capsys.readouterr().out.splitlines()] == [2]


def test_a_line_for_people_does_nothing_to_their_terminal(tmp_path, capsys):
    LogFile(tmp_path / "logs", 100_000).append(line(1, level="warning", reason="\x1b[2J gone"))

    main(["logs", "--dir", str(tmp_path)])

    assert capsys.readouterr().out == "2026-03-01T10:00:01  WARNING m  reason='\\x1b[2J gone' number=1\n"


def test_a_time_that_is_none_is_refused(tmp_path, capsys):
    assert main(["logs", "--dir", str(tmp_path), "--since", "yesterday"]) == 2
    assert "help: Say 15m" in capsys.readouterr().err


def test_lines_for_the_journal_carry_its_priority_and_no_time(tmp_path):
    code = (
        "import os; from pathlib import Path; from edgewright.agent.system import logs\n"
        "s = os.fstat(2); env = {'JOURNAL_STREAM': f'{s.st_dev}:{s.st_ino}'}\n"
        f"logs.start(Path({str(tmp_path)!r}), 10_000, env); logs.warn('something', model='m')\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stderr == '<4>{"level":"warning","message":"something","model":"m"}\n'
    assert "at" in tail(tmp_path, Wanted(), 1)[0]


def test_foreign_values_and_exceptions_are_logged_too():
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logs._Lines())
    logs.logger.addHandler(handler)
    try:
        try:
            raise OSError("gone")
        except OSError:
            logs.logger.warning("it broke", exc_info=True, extra={"facts": {"where": {"a"}, "path": tail}})
    finally:
        logs.logger.removeHandler(handler)

    assert "OSError: gone" in json.loads(handler.stream.getvalue())["error"]
