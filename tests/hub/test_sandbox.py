"""Commands under limits: what ends them, and what they may not do."""

from __future__ import annotations

import os
import select
import selectors
import sys
from pathlib import Path

import pytest

from edgewright.hub import sandbox

MIB = 1024 * 1024


def python(code: str, cwd: Path, **limits: object) -> sandbox.Finished:
    settings = {"env": {}, "timeout_s": 20.0, "memory_bytes": 512 * MIB, "file_bytes": MIB} | limits
    return sandbox.run([sys.executable, "-c", code], cwd=cwd, **settings)


def test_a_command_that_ends_well_gives_its_output_and_each_line_as_it_comes(tmp_path):
    heard: list[str] = []

    finished = python("print('one'); print('two')", tmp_path, on_line=heard.append)

    assert finished.is_ok
    assert finished.output == "one\ntwo\n"
    assert heard == ["one", "two"]


def test_a_command_that_hangs_is_killed_with_all_its_children(tmp_path):
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"

    finished = python(code, tmp_path, timeout_s=1.5)

    assert finished.timed_out
    assert finished.explain() == "did not end in time"
    assert has_ended(int(finished.output))


def test_a_command_that_is_cancelled_is_killed_with_all_its_children(tmp_path):
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    heard: list[str] = []

    finished = python(code, tmp_path, on_line=heard.append, is_cancelled=lambda: bool(heard))

    assert finished.is_cancelled
    assert not finished.is_ok
    assert finished.explain() == "was cancelled"
    assert has_ended(int(finished.output))


def test_a_child_left_behind_is_killed_when_its_parent_ends(tmp_path):
    code = "import subprocess; print(subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL).pid)"

    finished = python(code, tmp_path)

    assert finished.is_ok
    assert has_ended(int(finished.output))


def test_what_was_said_between_a_look_at_the_pipe_and_the_end_is_not_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(selectors, "DefaultSelector", LateSelector)
    code = "import subprocess; subprocess.Popen(['sleep', '60']); print('answer')"

    finished = python(code, tmp_path)

    assert finished.output == "answer\n"


def test_as_much_of_the_output_is_kept_as_was_asked_for(tmp_path):
    code = "print('x' * 1024**2)"

    cut, whole = python(code, tmp_path), python(code, tmp_path, max_output_bytes=2 * MIB)

    assert len(cut.output) == sandbox.MAX_OUTPUT_BYTES
    assert whole.output == "x" * MIB + "\n"


def test_memory_over_the_cap_is_refused(tmp_path):
    finished = python("bytearray(1024**3)", tmp_path)

    assert not finished.is_ok
    assert "MemoryError" in finished.output


def test_files_over_the_cap_are_cut_off(tmp_path):
    finished = python("open('big', 'wb').write(bytes(4 * 1024**2))", tmp_path)

    assert not finished.is_ok
    assert Path(tmp_path, "big").stat().st_size <= MIB


def test_the_environment_is_only_what_was_given(tmp_path, monkeypatch):
    monkeypatch.setenv("A_SECRET", "tell nobody")

    finished = python("import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))", tmp_path, env={"GIVEN": "1"})

    assert finished.output.strip() == "['GIVEN', 'PATH']"


def test_a_crash_is_told_by_its_signal(tmp_path):
    finished = python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", tmp_path)

    assert finished.explain() == "was killed by SIGSEGV"


def test_there_is_no_network_where_the_kernel_lets_us_leave_it(tmp_path):
    finished = python("import os; print(os.readlink('/proc/self/ns/net'))", tmp_path)
    with_network = python("import os; print(os.readlink('/proc/self/ns/net'))", tmp_path, has_network=True)

    ours = os.readlink("/proc/self/ns/net")
    assert with_network.output.strip() == ours
    if finished.output.strip() == ours:
        pytest.skip("this kernel lets us make no namespaces")


def test_hidden_folders_are_empty_but_for_what_is_shown_of_them(tmp_path):
    hub, work = tmp_path / "hub", tmp_path / "hub" / "work" / "run"
    work.mkdir(parents=True)
    (hub / "key.pem").write_text("secret")
    (hub / "parent.onnx").write_text("model")
    (hub / "other.onnx").write_text("model")
    token = tmp_path / "token"
    token.write_text("secret")
    code = (
        "import os, pathlib\n"
        f"print(sorted(os.listdir({str(hub)!r})))\n"
        f"print(pathlib.Path({str(hub / 'parent.onnx')!r}).read_text())\n"
        f"print(repr(pathlib.Path({str(token)!r}).read_text()))\n"
        "pathlib.Path('left').write_text('behind')"
    )

    finished = python(code, work, hidden=[hub, token], shown=[hub / "parent.onnx"])

    assert (work / "left").read_text() == "behind"
    if "note: this kernel" in finished.output:
        pytest.skip("this kernel lets us mount nothing")
    assert finished.output.splitlines() == ["['parent.onnx', 'work']", "model", "''"]
    assert sorted(item.name for item in hub.iterdir()) == ["key.pem", "other.onnx", "parent.onnx", "work"]


def test_what_is_hidden_twice_is_hidden(tmp_path):
    hub, work = tmp_path / "hub", tmp_path / "hub" / "work"
    work.mkdir(parents=True)
    (hub / "token").write_text("secret")

    finished = python(f"import os; print(os.listdir({str(hub)!r}))", work, hidden=[hub, hub / "token"])

    if "note: this kernel" in finished.output and os.getuid() != 0:
        pytest.skip("this kernel lets us mount nothing")
    assert finished.output == "['work']\n"


def test_what_is_hidden_cannot_be_uncovered_nor_read_through_the_hub_s_own_process(tmp_path):
    hub, work = tmp_path / "hub", tmp_path / "work"
    work.mkdir()
    hub.mkdir()
    (hub / "key.pem").write_text("secret")
    code = (
        "import ctypes, os\n"
        f"print(ctypes.CDLL(None).umount2({str(hub)!r}.encode(), 0))\n"
        f"try: print(open('/proc/{os.getpid()}/root' + {str(hub / 'key.pem')!r}).read())\n"
        "except OSError as error: print(type(error).__name__)\n"
        f"print(os.listdir({str(hub)!r}))"
    )

    finished = python(code, work, hidden=[hub])

    if "note: this kernel" in finished.output:
        pytest.skip("this kernel lets us mount nothing")
    assert finished.output.splitlines() == ["-1", "PermissionError", "[]"]


def test_a_command_that_does_not_exist_says_so(tmp_path):
    finished = sandbox.run(
        ["/no/such/command"], cwd=tmp_path, env={}, timeout_s=5, memory_bytes=512 * MIB, file_bytes=0
    )

    assert finished.returncode == 127
    assert "cannot start /no/such/command" in finished.output


def confined(code: str, cwd: Path, disk_bytes: int = 4 * MIB, processes: int = 32, **limits) -> sandbox.Finished:
    finished = python(code, cwd, confines=sandbox.Confines(cwd, disk_bytes, processes), **limits)
    if "note: this kernel" in finished.output:
        pytest.skip("this kernel lets us make no namespaces")
    return finished


@pytest.mark.e2e
def test_a_command_that_fills_the_disk_with_many_files_is_ended_with_the_reason(tmp_path):
    code = "import itertools\nfor n in itertools.count(): open(f'part-{n}', 'wb').write(bytes(200_000))"

    finished = confined(code, tmp_path)

    assert not finished.is_ok
    assert finished.explain() == "wrote more than 4,194,304 bytes to the disk"
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 10**9


def test_what_was_written_too_much_just_before_the_end_is_seen_too(tmp_path):
    finished = confined("for n in range(5): open(f'part-{n}', 'wb').write(bytes(1024**2))", tmp_path)

    assert finished.returncode == 0
    assert finished.explain() == "wrote more than 4,194,304 bytes to the disk"


@pytest.mark.e2e
def test_what_leaves_its_session_is_killed_with_the_rest(tmp_path):
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        line = os.open('alive', os.O_WRONLY); os.close(1); os.close(2); time.sleep(600)\n"
        "    os._exit(0)\n"
        "os.wait(); time.sleep(600)"
    )
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    finished = confined(code, tmp_path, timeout_s=1.5)

    assert finished.timed_out
    assert select.select([reader], [], [], 5)[0]
    assert os.read(reader, 1) == b""  # nobody holds its other end
    os.close(reader)


@pytest.mark.e2e
def test_too_many_processes_are_ended_with_the_reason(tmp_path):
    code = "import os, time\nfor n in range(60):\n    if os.fork() == 0: time.sleep(60)\ntime.sleep(60)"

    finished = confined(code, tmp_path, processes=20)

    assert finished.explain() == "had more than 20 processes at once" or "BlockingIOError" in finished.output


def test_confined_it_writes_into_its_folder_and_its_own_tmp_alone(tmp_path):
    work, other = tmp_path / "work", tmp_path / "other"
    work.mkdir()
    other.mkdir()
    code = (
        "import pathlib, multiprocessing\n"
        f"for place in {[str(work), str(other), '/var/tmp', '/usr', '/dev/shm']!r}:\n"
        "    try: pathlib.Path(place, 'edgewright-test').write_text('x'); print(place, 'written')\n"
        "    except OSError as error: print(place, error.strerror)\n"
        "multiprocessing.Lock(); open('/dev/null', 'w').write('x')\n"
    )

    finished = confined(code, work)

    assert finished.output.splitlines() == [
        f"{work} written",
        f"{other} Read-only file system",
        "/var/tmp written",
        "/usr Read-only file system",
        "/dev/shm written",
    ]
    assert not Path("/var/tmp/edgewright-test").exists()
    assert not Path("/dev/shm/edgewright-test").exists()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import sys; sys.exit(3)", "ended with status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "was killed by SIGTERM"),
        ("import ctypes; ctypes.string_at(0)", "was killed by SIGSEGV"),
    ],
)
def test_confined_it_is_told_by_its_own_end(tmp_path, code, told):
    assert confined(code, tmp_path).explain() == told


def test_confined_its_memory_is_capped_but_not_what_it_only_reserves(tmp_path):
    reserve = "import mmap; mmap.mmap(-1, 2**40, prot=0, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)"

    assert confined(reserve, tmp_path).is_ok
    assert "MemoryError" in confined("bytearray(1024**3)", tmp_path).output


def test_confined_it_sees_no_processes_but_its_own(tmp_path):
    code = "import os; print(len([name for name in os.listdir('/proc') if name.isdecimal()]), os.getpid())"

    assert confined(code, tmp_path).output.strip() == "2 2"


class LateSelector(selectors.DefaultSelector):
    """Sees nothing at first, and by then the command has spoken and ended: what a busy machine does now and then."""

    is_first = True

    def select(self, timeout=None):
        if self.is_first:
            self.is_first = False
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            return []
        return super().select(timeout)


def has_ended(pid: int) -> bool:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()  # which, unlike select, takes descriptors over 1023
        poll.register(process, select.POLLIN)
        return bool(poll.poll(5000))
    finally:
        os.close(process)
