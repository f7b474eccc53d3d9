"""The maker finds what two files have in common, whatever they are wrapped in, in the time and memory it is given."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import zstandard
from safetensors.numpy import save

from edgewright.contract import delta
from edgewright.contract.delta import DeltaStats, Operation
from edgewright.contract.delta.maker import make_bytes
from edgewright.contract.delta.maker.containers import find_tensors
from edgewright.contract.delta.maker.match import ByteMatcher
from edgewright.contract.delta.source import MemorySource

LIMIT_BYTES = 1 << 28
MIB = 1 << 20

MEASURED = """
import json, resource, sys
import numpy
from pathlib import Path
from edgewright.contract.delta.{side} import {verb}
def peak_mib(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak_mib()
{verb}(*map(Path, sys.argv[1:]){limit})
print(peak_mib() - before)
"""


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture
def weights(random) -> np.ndarray:
    return random.normal(0, 0.05, (400, 500)).astype(np.float32)


def tuned(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return (values + random.normal(0, 1e-5, values.shape)).astype(values.dtype)


def remade(folder: Path, before: bytes, after: bytes, **options: object) -> DeltaStats:
    """What making the delta says, after applying it has given `after`."""
    base, new, out = folder / "base", folder / "new", folder / "d"
    base.write_bytes(before)
    new.write_bytes(after)
    stats = delta.make(base, new, out, **options)
    delta.apply(base, out, folder / "out", max_result_bytes=LIMIT_BYTES)
    assert (folder / "out").read_bytes() == after
    assert sorted(path.name for path in folder.iterdir() if "." not in path.name) == ["base", "d", "new", "out"]
    return stats


def test_a_transposed_matrix_costs_no_more_than_the_matrix_as_it_was(weights, random, tmp_path):
    after = tuned(weights, random)

    straight = remade(tmp_path, save({"w": weights}), save({"w": after}))
    turned = remade(tmp_path, save({"w": weights}), save({"MatMul_7": np.ascontiguousarray(after.T)}))

    assert turned.tensors[0].operation is Operation.TRANSPOSED
    assert turned.delta_bytes < 1.02 * straight.delta_bytes


def test_a_matrix_that_was_only_transposed_costs_under_300_bytes(weights, tmp_path):
    stats = remade(tmp_path, save({"w": weights}), save({"v": np.ascontiguousarray(weights.T)}))

    assert stats.delta_bytes < 300


@pytest.mark.parametrize("axis", [0, 1])
def test_int8_weights_whose_scales_have_drifted_are_predicted_by_row_or_column(axis, random, tmp_path):
    before = random.integers(-120, 121, (300, 300)).astype(np.int8)
    factors = np.expand_dims(random.uniform(0.9, 1.0, 300), 1 - axis)
    after = np.rint(before * factors).astype(np.int8)

    stats = remade(tmp_path, save({"w": before}), save({"w": after}))

    assert stats.tensors[0].prediction == ("scaled rows", "scaled columns")[axis]
    assert stats.delta_bytes < 0.1 * before.nbytes


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_an_adapter_is_found_in_merged_weights_of_either_width(dtype, weights, random, tmp_path):
    update = random.normal(0, 0.05, (400, 4)) @ random.normal(0, 0.05, (4, 500))
    before, after = weights.astype(dtype), (weights + update).astype(dtype)

    stats = remade(tmp_path, save({"w": before}), save({"w": after}))

    assert stats.tensors[0].prediction == "low rank"
    assert stats.delta_bytes < 0.15 * before.nbytes


def test_a_table_that_grew_by_rows_is_told_by_its_old_rows_and_the_new_ones(random, tmp_path):
    before = random.normal(0, 0.05, (2000, 64)).astype(np.float32)
    after = np.vstack([before, random.normal(0, 0.05, (8, 64)).astype(np.float32)])

    stats = remade(tmp_path, save({"words": before}), save({"words": after}))

    assert stats.delta_bytes < 8 * 64 * 4 + 300


@pytest.mark.parametrize("places", [(100_000,), (100_000, 500_000), (7,)])
def test_a_changed_byte_or_two_cost_under_300_bytes(places, weights, tmp_path):
    before = save({"w": weights})
    after = bytearray(before)
    for place in places:
        after[place] ^= 1

    stats = remade(tmp_path, before, bytes(after))

    assert stats.delta_bytes < 300


def test_bytes_that_say_nothing_of_their_tensors_are_seen_to_be_some(weights, random, tmp_path):
    after = tuned(weights, random)

    told = remade(tmp_path, save({"w": weights}), save({"w": after}))
    untold = remade(tmp_path, weights.tobytes(), after.tobytes())

    assert untold.delta_bytes < 1.02 * told.delta_bytes


@pytest.mark.parametrize("kind", ["float32", "float16", "int8", "pruned", "text"])
def test_a_file_of_which_the_base_knows_nothing_costs_no_more_than_under_zstd_19(kind, random, tmp_path):
    values = random.normal(0, 0.05, 1 << 18).astype(np.float32)
    new = {
        "float32": save({"w": values}),
        "float16": save({"w": values.astype(np.float16)}),
        "int8": save({"w": np.rint(values * 500).clip(-127, 127).astype(np.int8)}),
        "pruned": save({"w": np.where(np.abs(values) < 0.03, np.float32(0), values)}),
        "text": json.dumps({f"token {n}": n * n for n in range(20_000)}).encode(),
    }[kind]

    stats = remade(tmp_path, b"another file", new)

    assert stats.delta_bytes <= 1.01 * len(zstandard.ZstdCompressor(level=19).compress(new))


def test_stats_tell_of_every_tensor_and_of_the_entropy_that_bounds_it(weights, random, tmp_path):
    kept, small = weights[:20].copy(), {f"bias{n}": weights[n].copy() for n in range(9)}
    moved = {name: tuned(values, random) for name, values in small.items()}
    base, new = tmp_path / "base", tmp_path / "new"
    base.write_bytes(save({"kept": kept, "tuned": weights, **small}))
    new.write_bytes(save({"kept": kept, "tuned": tuned(weights, random), **moved}))

    stats = delta.stats(base, new)

    told = {tensor.name: tensor for tensor in stats.tensors}
    assert [told[name].operation for name in ("kept", "bias3", "tuned")] == ["copy", "group", "delta"]
    assert told["tuned"].delta_bytes < 1.05 * told["tuned"].entropy_bytes
    assert sum(tensor.delta_bytes for tensor in stats.tensors) == stats.payload_bytes
    assert stats.script_bytes + stats.literal_bytes + stats.payload_bytes < stats.delta_bytes
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "new"]


@pytest.mark.parametrize("max_cpu_s", [0.0, 1e-3])
def test_a_maker_without_time_makes_a_dearer_delta_and_does_not_fail(max_cpu_s, weights, random, tmp_path):
    stats = remade(tmp_path, save({"w": weights}), save({"w": tuned(weights, random)}), max_cpu_s=max_cpu_s)

    assert stats.is_cheapened
    assert stats.delta_bytes <= stats.result_bytes + 300


def test_progress_rises_to_the_size_of_the_result_on_both_sides(weights, random, tmp_path):
    made: list[tuple[int, int]] = []
    applied: list[tuple[int, int]] = []

    remade(tmp_path, save({"w": weights}), save({"w": tuned(weights, random)}), tell=lambda *at: made.append(at))
    delta.apply(
        tmp_path / "base",
        tmp_path / "d",
        tmp_path / "again",
        max_result_bytes=LIMIT_BYTES,
        tell=lambda *at: applied.append(at),
    )

    size = (tmp_path / "new").stat().st_size
    assert made[-1] == applied[-1] == (size, size)
    assert applied == sorted(applied)


def tflite(tensors: dict[str, np.ndarray]) -> bytes:
    """A TFLite file with one subgraph and these float32 tensors (schema.fbs, version 3)."""
    builder = flatbuffers.Builder(0)
    buffers, tables = [table(builder, {})], []
    for number, (name, values) in enumerate(tensors.items(), start=1):
        label = builder.CreateString(name)
        shape = builder.CreateNumpyVector(np.array(values.shape, np.int32))
        builder.StartVector(1, values.nbytes, 16)
        builder.head -= values.nbytes
        builder.Bytes[builder.head : builder.head + values.nbytes] = values.tobytes()
        buffers.append(table(builder, {0: builder.EndVector()}))
        tables.append(table(builder, {0: shape, 3: label}, number))
    subgraph = table(builder, {0: vector(builder, tables)})
    subgraphs, held = vector(builder, [subgraph]), vector(builder, buffers)
    builder.Finish(table(builder, {2: subgraphs, 4: held}), file_identifier=b"TFL3")
    return bytes(builder.Output())


def table(builder: flatbuffers.Builder, fields: dict[int, int], buffer: int = 0) -> int:
    builder.StartObject(5)
    for place, offset in fields.items():
        builder.PrependUOffsetTRelativeSlot(place, offset, 0)
    builder.PrependUint32Slot(2, buffer, 0) if buffer else None
    return builder.EndObject()


def vector(builder: flatbuffers.Builder, tables: list[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for offset in reversed(tables):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def test_tflite_tensors_are_found_and_told_as_changes(weights, random, tmp_path):
    before = tflite({"conv": weights, "bias": weights[0]})
    after = tflite({"conv": tuned(weights, random), "bias": weights[0]})

    found = find_tensors(MemorySource(before))
    stats = remade(tmp_path, before, after)

    assert {tensor.name: tensor.shape for tensor in found} == {"conv": (400, 500), "bias": (500,)}
    assert {tensor.name: tensor.operation for tensor in stats.tensors} == {"conv": "delta", "bias": "copy"}


def layout(path: Path, shape: tuple[int, ...], offset: int) -> Path:
    size = 4 * int(np.prod(shape))
    sides = ", ".join(map(str, shape))
    data = f'<data element_type="f32" shape="{sides}" offset="{offset}" size="{size}"/>'
    path.write_text(f'<?xml version="1.0"?><net><layers><layer name="w" type="Const">{data}</layer></layers></net>')
    return path


def test_openvino_weights_are_told_by_the_layout_beside_them(weights, random, tmp_path):
    before, after = b"\0" * 64 + weights.tobytes(), b"\0" * 192 + tuned(weights, random).tobytes()
    layouts = layout(tmp_path / "base.xml", (400, 500), 64), layout(tmp_path / "new.xml", (400, 500), 192)

    stats = remade(tmp_path, before, after, base_layout=layouts[0], new_layout=layouts[1])

    assert [(tensor.name, tensor.operation) for tensor in stats.tensors] == [("w", "delta")]


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE n [<!ENTITY a "b">]><net><layer/></net>',
        "<net>" * 1000,
        "no xml",
        '<layer name="w" type="Const"><data element_type="f32" shape="-1" offset="-8" size="x"/></layer>',
    ],
)
def test_a_layout_that_is_hostile_or_broken_gives_no_tensors(text, tmp_path):
    path = tmp_path / "layout.xml"
    path.write_text(text)

    assert find_tensors(MemorySource(bytes(1000)), path) == ()


@pytest.mark.parametrize("cut", [0, 9, 100_000])
def test_ranges_that_have_moved_are_found_in_files_too_long_for_a_full_index(cut, random, tmp_path):
    before = random.bytes(6 * MIB)
    after = random.bytes(cut) + before[2 * MIB :] + before[: 2 * MIB]

    stats = remade(tmp_path, before, after)

    assert stats.delta_bytes < cut + 10_000


def test_the_index_of_a_long_file_is_as_large_as_that_of_a_short_one(random):
    data = MemorySource(random.bytes(48 * MIB))

    tracemalloc.start()
    ByteMatcher(data, [(0, data.size_bytes)])
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak_bytes < 64 * MIB


def test_making_and_applying_take_little_memory_beside_interpreter_and_numpy(random, tmp_path):
    before = random.normal(0, 0.05, (2048, 2048)).astype(np.float32)
    (tmp_path / "base").write_bytes(save({"w": before}))
    (tmp_path / "new").write_bytes(save({"w": tuned(before, random)}))

    made_mib = peak_of(tmp_path, "maker", "make", "", "base", "new", "d")
    applied_mib = peak_of(tmp_path, "applier", "apply", ", max_result_bytes=1 << 30", "base", "d", "out")

    assert (tmp_path / "out").read_bytes() == (tmp_path / "new").read_bytes()
    assert made_mib < 170  # with numpy's 30, below 200 MiB above a bare interpreter
    assert applied_mib < 24


def peak_of(folder: Path, side: str, verb: str, limit: str, *paths: str) -> float:
    code = MEASURED.format(side=side, verb=verb, limit=limit)
    words = [sys.executable, "-c", code, *paths]
    return float(subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout)


def test_a_delta_is_the_same_whether_it_is_made_of_files_or_of_bytes(weights, random, tmp_path):
    before, after = save({"w": weights}), save({"w": tuned(weights, random)})

    remade(tmp_path, before, after)

    assert (tmp_path / "d").read_bytes() == make_bytes(before, after)[0]
