"""The page of targets has the library's table and every field."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from edgewright.contract.api import Target
from edgewright.hub.optimize.targets import library, targets

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "targets.md").read_text()


def test_the_table_is_the_library():
    wanted = [
        f"| `{one.id}` | {one.title} | {one.hardware_class} | {' '.join(one.arch)} |" for one in targets().values()
    ]

    rows = re.findall(r"^\| `[\w-]+` \| .*$", PAGE.partition("## Fields")[0], re.MULTILINE)

    assert rows == wanted


def test_every_field_is_told_of():
    table = msgspec.json.schema(Target)["$defs"]
    fields = {name for kind in table.values() for name in kind.get("properties", ())}

    assert {"probe", "memory_mode", "fp32_gflops", "energy_mj"} <= fields
    assert {name for name in fields if f"`{name}`" not in PAGE and f"[{name}]" not in PAGE} == set()


def test_every_base_alone_is_named():
    bases = {name for name, sketch in library().items() if sketch.is_abstract}

    assert {name for name in bases if f"`{name}`" not in PAGE.partition("## Inheritance")[2]} == set()
