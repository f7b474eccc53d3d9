"""Profiles: what is counted, that it adds up exactly, and that bytes from the wire are checked."""

from __future__ import annotations

import math
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgewright.contract import profile
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.profile import Profile, Schema, build_schema, decode_schema, encode_schema
from edgewright.contract.profile.measures.pictures import image_statistics
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

SCORES = TensorSpec(name="scores", dtype=Dtype.FLOAT32, shape=(None, 3), kind=Kind.SCORES)
TABLE = Contract(
    inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 2), names=("heat", "flow")),), outputs=(SCORES,)
)
PICTURES = Contract(
    inputs=(TensorSpec(name="image", dtype=Dtype.FLOAT32, shape=(None, 64), kind=Kind.IMAGE, height=8, width=8),),
    outputs=(SCORES,),
)


def test_features_of_columns_images_and_outputs_have_their_names():
    table = [feature.name for feature in profile.features(TABLE)]
    pictures = [feature.name for feature in profile.features(PICTURES)]

    assert table[:5] == ["heat", "flow", "score", "predicted", "latency"]
    assert table[5:] == ["memory", "cpu", "temperature", "x.quality", "feedback"]
    assert pictures[:6] == [
        "image.brightness",
        "image.contrast",
        "image.sharpness",
        "image.dark_share",
        "image.centroid_x",
        "image.centroid_y",
    ]


def test_columns_without_names_are_numbered_and_those_past_128_left_out():
    wide = Contract(inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 300)),), outputs=())

    names = [feature.name for feature in profile.features(wide)]

    assert names[0] == "x[0]"
    assert names[127:129] == ["x[127]", "latency"]


def test_equal_column_names_of_two_inputs_are_told_apart():
    spec = TABLE.inputs[0]
    twice = Contract(inputs=(spec, msgspec.structs.replace(spec, name="y")), outputs=())

    names = [feature.name for feature in profile.features(twice)]

    assert names[:5] == ["heat", "flow", "y.heat", "y.flow", "latency"]


def test_the_reference_spreads_evenly_over_twenty_bins():
    schema = table_schema()

    counts = np.array(schema.bins[0].counts)

    assert len(counts) == 21
    assert counts[:-1].min() >= 45
    assert counts[-1] == 0


def test_missing_infinite_and_constant_values_have_their_slots():
    heat = np.concatenate([np.linspace(0, 1, 997), [np.nan, np.inf, -np.inf]])
    schema = build_schema(TABLE, "m", 1, {"x": np.column_stack([heat, np.full(1000, 7.0)])}, {})
    seen = Profile(schema)

    seen.update({"x": np.array([[np.nan, 7.0], [np.inf, 6.9], [-np.inf, 7.1]], np.float32)}, {})

    assert schema.bins[0].counts[-1] == 1
    assert seen.of("heat")[[0, -2, -1]].tolist() == [1, 1, 1]
    assert seen.of("flow").tolist() == [1, 1, 1, 0]


def test_a_value_that_repeats_gets_a_bin_of_its_own():
    generator = np.random.default_rng(0)
    heat = np.where(generator.random(1000) < 0.3, 0.1, generator.normal(size=1000))
    schema = build_schema(TABLE, "m", 1, {"x": np.column_stack([heat, heat])}, {})
    seen = Profile(schema)

    seen.update({"x": np.full((5, 2), 0.1, np.float32)}, {})

    slot = int(np.argmax(seen.of("heat")))
    assert schema.bins[0].counts[slot] == np.count_nonzero(heat == 0.1)


def test_the_predicted_class_comes_from_scores_or_from_the_label():
    label = TensorSpec(name="label", dtype=Dtype.STRING, shape=(None,), kind=Kind.LABEL, names=("cat", "dog"))
    contract = Contract(inputs=TABLE.inputs, outputs=(label,))
    rows = {"x": np.zeros((3, 2), np.float32)}
    by_label = Profile(build_schema(contract, "m", 1, rows, {"label": np.array(["cat", "dog", "dog"])}))
    by_score = Profile(build_schema(TABLE, "m", 1, rows, {"scores": np.eye(3, dtype=np.float32)}))

    by_label.update(rows, {"label": np.array(["dog", "dog", "cow"])})
    by_score.update(rows, {"scores": np.eye(3, dtype=np.float32)[[2, 2, 0]]})

    assert by_label.of("predicted").tolist() == [0, 2, 0, 1]
    assert by_score.of("predicted").tolist() == [1, 0, 2, 0, 0]


def test_image_statistics_say_what_the_picture_is():
    picture = np.zeros((1, 5, 5), np.float32)
    picture[0, 0, 4] = 10.0

    brightness, contrast, sharpness, dark_share, x, y = image_statistics(picture, 1.0)[0]

    assert brightness == pytest.approx(0.4)
    assert contrast == pytest.approx(np.std(picture))
    assert sharpness == 0.0  # the Laplacian is taken where all four neighbours exist
    assert dark_share == pytest.approx(24 / 25)
    assert (x, y) == (1.0, 0.0)


@pytest.mark.parametrize("shape", [(4, 64), (4, 8, 8), (4, 1, 8, 8)])
def test_pictures_may_be_flat_or_not(shape):
    spec = msgspec.structs.replace(PICTURES.inputs[0], shape=(None, *shape[1:]))
    contract = Contract(inputs=(spec,), outputs=())
    pixels = np.random.default_rng(0).random((4, 64)).astype(np.float32)

    seen = Profile(build_schema(contract, "m", 1, {"image": pixels.reshape(shape)}, {}))
    seen.update({"image": pixels.reshape(shape)}, {})

    expected = [count for bins in seen.schema.bins for count in bins.counts]
    assert seen.counts[: len(expected)].tolist() == expected


@pytest.mark.parametrize("shape", [(480, 640), (480, 640, 3), (3, 480, 640)])
def test_of_a_large_picture_every_so_manieth_pixel_is_looked_at(shape):
    spec = TensorSpec(name="image", dtype=Dtype.UINT8, shape=(None, *shape), kind=Kind.IMAGE, height=480, width=640)
    contract = Contract(inputs=(spec,), outputs=())
    pictures = np.zeros((2, *shape), np.uint8)
    pictures[1] = 200
    schema = build_schema(contract, "m", 1, {"image": pictures}, {})
    reader = schema.input_readers[0]

    rows = reader.rows(pictures)
    brightness, contrast, *_ = reader.values(rows, 20.0).T

    assert rows.shape == (2, 48 * 64 * (3 if len(shape) == 3 else 1))
    assert brightness.tolist() == [0, 200]
    assert contrast.tolist() == [0, 0]


@pytest.mark.parametrize("batch", [1, 7, 64, 300])
def test_batches_of_any_size_count_alike(batch):
    schema, rows, scores = table_schema(), *table_rows(600, seed=5)
    rows[::50, 0], rows[1::70, 1], rows[2::90, 1] = np.nan, np.inf, -np.inf
    whole, parts = Profile(schema), Profile(schema)
    whole.update({"x": rows}, {"scores": scores})

    for start in range(0, 600, batch):
        parts.update({"x": rows[start : start + batch]}, {"scores": scores[start : start + batch]})

    assert parts.rows == whole.rows
    assert np.array_equal(parts.counts, whole.counts)


def test_tensors_that_are_not_given_count_as_missing():
    seen = Profile(table_schema())
    rows, scores = table_rows(10, seed=1)
    seen.update({"x": rows}, {"scores": scores})

    seen.update({"x": rows}, {})

    assert seen.of("score")[-1] == 10
    assert seen.of("heat").sum() == 20


def test_tensors_that_do_not_fit_are_refused_and_not_counted():
    seen = Profile(table_schema())
    rows, scores = table_rows(10, seed=1)

    with pytest.raises(InvalidInput):
        seen.update({"x": rows[:, :1]}, {"scores": scores})
    with pytest.raises(InvalidInput):
        seen.update({"x": rows}, {"scores": scores[:3]})

    assert seen.rows == 0
    assert seen.counts.sum() == 0


def test_latency_is_known_to_an_eighth_of_an_octave():
    seen = Profile(table_schema())
    rows, scores = table_rows(1, seed=1)

    for latency_s in (0.001, 0.002, 0.004, None):
        seen.update({"x": rows}, {"scores": scores}, latency_s)

    assert seen.latency_s(0.5) == pytest.approx(0.002, rel=0.1)
    assert math.isnan(Profile(table_schema()).latency_s(0.5))


@settings(max_examples=30, deadline=None)
@given(st.lists(arrays.arrays(np.float32, st.tuples(st.integers(0, 9), st.just(2))), min_size=3, max_size=3))
def test_merging_is_exact_in_any_order_and_grouping(batches):
    schema = table_schema()

    left = merged(
        schema, merged(schema, counted(schema, batches[0]), counted(schema, batches[1])), counted(schema, batches[2])
    )
    right = merged(
        schema, counted(schema, batches[2]), merged(schema, counted(schema, batches[1]), counted(schema, batches[0]))
    )
    whole = counted(schema, np.concatenate(batches))

    assert left.rows == right.rows == whole.rows
    assert np.array_equal(left.counts, right.counts)
    assert np.array_equal(left.counts, whole.counts)


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.float32, st.tuples(st.integers(0, 40), st.just(2))))
def test_a_profile_comes_back_from_its_bytes(rows):
    seen = counted(table_schema(), rows)

    read = Profile.from_bytes(seen.schema, seen.to_bytes())

    assert read.rows == seen.rows
    assert np.array_equal(read.counts, seen.counts)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_from_the_wire_do_more_than_be_refused(data):
    schema = table_schema()

    for hostile in (data, b"\x02\x01" + data, b"\x02\x01" + deflated(data)):
        with pytest.raises(HostileInput):
            Profile.from_bytes(schema, hostile)
    with pytest.raises(HostileInput):
        decode_schema(data)


def test_a_profile_that_lies_is_refused():
    seen = counted(table_schema(), table_rows(100, seed=2)[0])
    head, numbers = seen.to_bytes()[:2], zlib.decompress(seen.to_bytes()[2:], -15)
    wrong_sum = head + deflated(bytes([101, *numbers[1:]]))
    too_long = head + deflated(numbers + b"\x00")
    bomb = head + deflated(bytes(10_000_000))

    for hostile in (wrong_sum, too_long, bomb, seen.to_bytes()[:-1], seen.to_bytes() + b"x"):
        with pytest.raises(HostileInput):
            Profile.from_bytes(seen.schema, hostile)


def test_profiles_of_different_schemas_do_not_merge():
    schema = table_schema()

    with pytest.raises(InvalidInput):
        Profile(schema).merge(Profile(msgspec.structs.replace(schema, version=2)))


def test_a_schema_comes_back_from_its_canonical_bytes():
    schema = table_schema()

    data = encode_schema(schema)

    assert decode_schema(data) == schema
    assert encode_schema(decode_schema(data)) == data
    assert decode_schema(data).sha256 == schema.sha256


def test_a_schema_that_makes_no_sense_is_refused():
    schema = table_schema()
    heat = schema.bins[0]
    backwards = msgspec.structs.replace(heat, edges=heat.edges[::-1])
    not_finite = msgspec.structs.replace(heat, edges=(*heat.edges[:-1], math.inf))
    below_zero = msgspec.structs.replace(heat, counts=(-1, *heat.counts[1:]))

    for bins in (backwards, not_finite, below_zero):
        with pytest.raises(HostileInput):
            decode_schema(encode_schema(msgspec.structs.replace(schema, bins=(bins, *schema.bins[1:]))))
    with pytest.raises(HostileInput):
        decode_schema(encode_schema(msgspec.structs.replace(schema, format=1)))
    with pytest.raises(HostileInput):
        decode_schema(encode_schema(msgspec.structs.replace(schema, bins=schema.bins[1:])))


def test_an_hour_of_twenty_columns_is_about_a_kilobyte():
    generator = np.random.default_rng(0)
    contract = Contract(
        inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 20)),),
        outputs=(msgspec.structs.replace(SCORES, shape=(None, 10)),),
    )
    schema = build_schema(contract, "m", 1, {"x": generator.normal(size=(5000, 20))}, {})
    seen = Profile(schema)

    for _ in range(3600):
        scores = generator.dirichlet(np.ones(10)).astype(np.float32)[None]
        seen.update({"x": generator.normal(size=(1, 20)).astype(np.float32)}, {"scores": scores}, 0.001)

    assert len(seen.to_bytes()) < 1100


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def table_rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, 2)).astype(np.float32), generator.dirichlet(np.ones(3), count).astype("f4")


def table_schema() -> Schema:
    rows, scores = table_rows(1000, seed=0)
    return build_schema(TABLE, "m", 1, {"x": rows}, {"scores": scores})


def counted(schema: Schema, rows: np.ndarray) -> Profile:
    seen = Profile(schema)
    seen.update({"x": rows}, {"scores": np.full((len(rows), 3), 1 / 3, np.float32)})
    return seen


def merged(schema: Schema, one: Profile, other: Profile) -> Profile:
    both = Profile(schema)
    both.merge(one)
    both.merge(other)
    return both
