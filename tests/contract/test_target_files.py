"""Targets are data: what is wrong with a file is told by file, field and fix, and bases are followed."""

from __future__ import annotations

import pytest

from edgewright.contract.api import ModelFormat, Target
from edgewright.contract.errors import InvalidInput
from edgewright.contract.target import begin, fields, read, resolve, write

WHOLE = """
id = "mine"
title = "My board"
class = "single-board"
arch = ["aarch64"]
dtypes = ["int8", "float32"]
opset = 21
ram_bytes = 1_000_000_000

[runtime]
name = "onnxruntime"
minimum = "1.20"
below = "2"

[quantisation]
weights = "s8"
activations = "u8"
"""


def sketches(*texts: str):
    read_ones = [read(text, f"file{number}.toml") for number, text in enumerate(texts)]
    return read_ones[0], {one.id: one for one in read_ones}


def whole(*texts: str) -> Target:
    return resolve(*sketches(*texts)).target


def test_a_whole_file_needs_no_base():
    target = whole(WHOLE)

    assert target.format is ModelFormat.ONNX
    assert target.runtime.provider == "CPUExecutionProvider"
    assert target.constraints.max_metric_drop == 0.02


def test_a_file_says_only_what_differs_over_several_levels():
    middle = 'id = "middle"\ninherits = "mine"\nabstract = true\n[runtime]\nminimum = "1.22"\n'
    found = resolve(*sketches('id = "leaf"\ninherits = "middle"\ntitle = "Leaf"\nisa = ["dotprod"]', middle, WHOLE))

    assert (found.target.title, found.target.runtime.minimum, found.target.runtime.below) == ("Leaf", "1.22", "2")
    assert found.bases == ("middle", "mine")
    assert found.told_by["runtime.minimum"] == "middle"
    assert found.told_by["runtime.below"] == "mine"
    assert "isa" not in found.told_by


def test_bases_in_a_circle_are_refused_and_named():
    a, b, c = (f'id = "{name}"\ninherits = "{base}"' for name, base in (("a", "b"), ("b", "c"), ("c", "b")))

    with pytest.raises(InvalidInput, match=r"file0.toml: inherits: .*circle: b → c → b"):
        whole(a, b, c)


def test_a_base_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(InvalidInput) as caught:
        whole('id = "a"\ninherits = "mime"', WHOLE)

    assert caught.value.message == "file0.toml: inherits: there is no target 'mime'"
    assert caught.value.hint == "Known: mine."


def test_a_field_that_nobody_tells_is_named():
    with pytest.raises(InvalidInput, match=r"file0.toml: runtime.minimum: it is missing"):
        whole(WHOLE.replace('minimum = "1.20"\n', ""))


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("opset", "opsett", "opsett", "Did you mean opset?"),
        ("weights", "wieghts", "quantisation.wieghts", "Did you mean weights?"),
        ("opset = 21", 'opset = "new"', "opset", "expected 'int', got 'str'"),
        ('class = "single-board"', 'class = "board"', "class", "Write one of cpu, gpu, npu, single-board"),
        ('"int8"', '"int7"', "dtypes[0]", "float32, float16"),
        ('weights = "s8"', 'weights = "s4"', "quantisation.weights", "s8, u8"),
        ("opset = 21", "opset = 99", "opset", "99 is not from 9 to"),
        ("ram_bytes = 1_000_000_000", "ram_bytes = 0", "ram_bytes", "it is 0"),
        ("opset = 21", f"opset = {'9' * 5000}", "toml", "it is no TOML"),
        ("opset = 21", f"opset = 0x{'9' * 5000}", "opset", "no number"),
        ("ram_bytes = 1_000_000_000", f"ram_bytes = {10**30}", "ram_bytes", "it is no number from 0 to"),
        ("opset = 21", "cores = -1\nopset = 21", "cores", "it is no number"),
        (
            "[runtime]",
            "[constraints]\nlatency_p95_ms = nan\n[runtime]",
            "constraints.latency_p95_ms",
            "no number",
        ),
        ("My board", "My\\nboard", "title", "no line of at most 400"),
        ("My board", "m" * 401, "title", "no line of at most 400"),
        ('arch = ["aarch64"]', "arch = []", "arch", "it is empty"),
        ('["int8", "float32"]', '["float32"]', "dtypes", "there is a [quantisation] and no int8 here"),
        ("opset", 'isa = ["vnni"]\nopset', "isa", "aarch64 has no vnni"),
        ("opset", 'isa = ["magic"]\nopset', "isa", "nothing is known of 'magic'"),
        ("opset", 'format = "tflite"\nopset', "format", "onnxruntime loads onnx"),
        ('below = "2"', 'below = "2"\nprovider = "XNNPACK"', "runtime.provider", "onnxruntime has no 'XNNPACK'"),
        ('"onnxruntime"', '"litert"', "runtime.provider", "Write one of XNNPACK, CPU"),
        ('"onnxruntime"', '"mnn"', "format", "the runtime 'mnn' is not ours"),
        ("[runtime]", '[accelerator]\ntype = "cuda"\n[runtime]', "accelerator.config", "it is missing"),
        ("[runtime]", "[constraints]\nmax_metric_drop = 2\n[runtime]", "constraints.max_metric_drop", "no share"),
        ("[runtime]", "[constraints]\nram_bytes = 2_000_000_000\n[runtime]", "constraints.ram_bytes", "more than"),
        ("single-board", "microcontroller", "flash_bytes", "See the chip's data sheet."),
        ("[runtime]", "[slots]\nkind = 'mcuboot'\n[runtime]", "slots", "need a count and a size"),
        ('id = "mine"', 'id = "../mine"', "id", "it is no name"),
        ('id = "mine"', "", "id", "it is missing"),
        ("opset = 21", "inherits = 3\nopset = 21", "inherits", "not the id of a target"),
        ("opset = 21", "abstract = 3\nopset = 21", "abstract", "neither true nor false"),
        ("opset = 21", "opset = ", "toml", "it is no TOML"),
    ],
)
def test_a_wrong_field_is_told_by_file_field_and_fix(old, new, field, words):
    with pytest.raises(InvalidInput) as caught:
        whole(WHOLE.replace(old, new, 1))

    assert caught.value.message.startswith("file0.toml: ")
    assert caught.value.field == field
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_int8_without_quantisation_is_refused():
    with pytest.raises(InvalidInput, match="quantisation: dtypes name int8 and it is missing"):
        whole(WHOLE[: WHOLE.index("[quantisation]")])


def test_an_accelerator_without_vela_is_refused_with_the_configurations_that_there_are():
    ethos = '[accelerator]\ntype = "ethos-u55"\nconfig = "ethos-u55-512"\n'

    with pytest.raises(InvalidInput) as caught:
        whole(WHOLE + ethos)

    assert caught.value.field == "accelerator.config"
    assert "ethos-u55-256" in caught.value.hint


def test_a_contradiction_names_the_base_that_told_it():
    with pytest.raises(InvalidInput, match=r"file0.toml: quantisation: .* missing"):
        whole('id = "a"\ninherits = "mine"', WHOLE[: WHOLE.index("[quantisation]")])
    with pytest.raises(InvalidInput, match=r"isa: .*x86_64 has no dotprod \(told by mine\)"):
        whole('id = "a"\ninherits = "mine"\narch = ["x86_64"]', WHOLE.replace("opset", 'isa = ["dotprod"]\nopset', 1))


def test_what_is_written_is_read_as_the_same_target():
    target = whole(WHOLE)

    assert whole(write(fields(target))) == target


def test_a_beginning_inherits_everything_and_its_comments_say_it_all():
    base = whole(WHOLE)
    text = begin("ours", base, "ours.toml")
    head, _, comments = text.partition('inherits = "mine"\n')

    begun = whole(text, WHOLE)
    spelled_out = whole(head + "\n".join(line.removeprefix("#").strip() for line in comments.splitlines()))

    assert (begun.id, begun.title) == ("ours", "My board (ours)")
    assert spelled_out == begun
    assert max(map(len, text.splitlines())) <= 120
