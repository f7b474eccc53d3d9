"""The delta vectors in the documentation: we pass them, they use all of the format, our maker goes on."""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import linecache
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from types import CodeType, FrameType
from typing import Any

import pytest

from edgewright.contract.delta import applier, reader, result, rows
from edgewright.contract.delta.coding import blocks, coder, elements, predict, raw, symbols
from edgewright.contract.errors import EdgewrightError
from hostile.deltas import vectors

INDEX = json.loads((vectors.FOLDER / "index.json").read_text())
READERS = (applier, reader, result, rows, blocks, coder, elements, predict, raw, symbols)
LIMIT_BYTES = 1 << 21
REFUSALS = ("raise ", "require(", "except ", 'return b""', "tell(")
"""How lines begin that only what is broken, or a caller who wants to be told, gets to."""


def applied(base: bytes, delta: bytes, limit_bytes: int = LIMIT_BYTES) -> bytes:
    out = bytearray()
    applier.apply_bytes(base, delta, out.extend, max_result_bytes=limit_bytes)
    return bytes(out)


@pytest.mark.parametrize("vector", INDEX["sound"], ids=lambda vector: vector["name"])
def test_a_sound_delta_gives_its_result(vector):
    assert applied(vectors.read(vector["base"]), vectors.read(vector["delta"])) == vectors.read(vector["result"])


@pytest.mark.parametrize("case", INDEX["refused"], ids=lambda case: case["name"])
def test_a_broken_delta_is_refused_as_it_says(case):
    with pytest.raises(EdgewrightError) as refused:
        applied(vectors.read(case["base"]), base64.b64decode(case["delta_base64"]), case["max_result_bytes"])

    assert refused.value.code == case["says"]


def test_today_s_maker_and_writers_make_deltas_of_the_same_results():
    results = {vector["name"]: vector["result"] for vector in INDEX["sound"]}
    made = [*vectors.written_by_hand(), *vectors.made_of_containers()]

    for vector in made:
        assert applied(vector.base, vector.delta) == vector.result
    assert {vector.name: hashlib.sha256(vector.result).hexdigest() for vector in made} == results


def test_the_vectors_walk_every_line_that_reads_a_sound_delta():
    walked = lines_walked(
        lambda: [applied(vectors.read(one["base"]), vectors.read(one["delta"])) for one in INDEX["sound"]]
    )

    missed = [f"{code.co_qualname}: {text}" for code in reading_code(walked) for text in lines_of(code, walked[code])]

    assert [text for text in missed if not text.split(": ", 1)[1].startswith(REFUSALS)] == []


def lines_walked(work: Callable[[], object]) -> dict[CodeType, set[int]]:
    walked: dict[CodeType, set[int]] = defaultdict(set)

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            walked[frame.f_code].add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return walked


def reading_code(walked: Collection[CodeType]) -> Iterator[CodeType]:
    """The code of all that the applier has entered, and of all that is called reading."""
    for module in READERS:
        for holder in (module, *filter(inspect.isclass, vars(module).values())):
            for function in filter(inspect.isfunction, vars(holder).values()):
                is_reading = function.__name__.startswith(("read", "_read")) or holder is applier._Applier
                if function.__code__.co_filename == module.__file__ and (is_reading or function.__code__ in walked):
                    yield function.__code__


def lines_of(code: CodeType, walked: set[int]) -> Iterator[str]:
    """The lines of a function that were not walked."""
    lines = {line for *_, line in code.co_lines() if line is not None and line != code.co_firstlineno}
    return (linecache.getline(code.co_filename, line).strip() for line in sorted(lines - walked))
