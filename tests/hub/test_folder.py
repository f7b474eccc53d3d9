"""Two hubs never work in one folder."""

import subprocess
import sys

import pytest

from edgewright.hub.folder import HubRunning, hold

HOLDER = """
import sys, pathlib
from edgewright.hub.folder import hold
with hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_hub_is_refused_by_name(tmp_path):
    with hold(tmp_path), pytest.raises(HubRunning, match=str(tmp_path)) as refusal, hold(tmp_path):
        pass

    assert refusal.value.field == "dir"


def test_a_killed_hub_leaves_the_folder_free(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(HubRunning), hold(tmp_path):
        pass
    holder.kill()
    holder.communicate()

    with hold(tmp_path):
        pass
