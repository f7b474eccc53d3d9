"""Reading from the wire: in several threads, too."""

from __future__ import annotations

import subprocess
import sys

RACE = """
import sys, threading, types
import msgspec
from edgewright.contract.wire import settle

FIELDS = "(msgspec.Struct):\\n    a: int = 0\\n    b: tuple[int, ...] = ()\\n    inner: "
sys.setswitchinterval(1e-6)
for turn in range(20):
    module = types.ModuleType(f"round{turn}")
    sys.modules[module.__name__] = module
    source = f"from __future__ import annotations\\nimport msgspec\\n__name__ = {module.__name__!r}\\n"
    for at in range(30):
        source += f"class S{at}{FIELDS}" + (f"S{at - 1} | None = None\\n" if at else "int = 0\\n")
    exec(source, module.__dict__)
    settle()
    document = b'{"a":1,"inner":' * 29 + b'{"a":1}' + b"}" * 29
    read = lambda: msgspec.json.decode(document, type=module.S29)
    threads = [threading.Thread(target=read) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""


def test_structs_that_are_settled_are_read_first_by_several_threads_at_once() -> None:
    ended = subprocess.run([sys.executable, "-c", RACE], capture_output=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stderr  # -11 is what msgspec alone comes to
