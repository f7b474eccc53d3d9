"""Each kind of feature: words, codes, embeddings, sounds, vitals, flaws and feedback."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.profile import (
    SCALES,
    SUMS,
    UNIT,
    FeatureKind,
    Flaw,
    Profile,
    Schema,
    Tap,
    build_schema,
    decode_schema,
    encode_schema,
    wire,
)
from edgewright.contract.profile.measures import embeddings
from edgewright.contract.profile.measures.sounds import sound_statistics
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

SENSORS = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 2), low=(0.0, None), high=(1.0,))
WORDS = TensorSpec(name="site", dtype=Dtype.STRING, shape=(None, 1))
CODES = TensorSpec(name="code", dtype=Dtype.INT64, shape=(None, 1), kind=Kind.CATEGORICAL)
VECTOR = TensorSpec(name="vector", dtype=Dtype.FLOAT32, shape=(None, 16), kind=Kind.EMBEDDING)
SOUND = TensorSpec(name="sound", dtype=Dtype.FLOAT32, shape=(None, 1024), kind=Kind.AUDIO)


def test_words_have_slots_where_training_showed_them_ten_times():
    words = ["north"] * 30 + ["south"] * 12 + ["mr smith"] * 9
    schema = schema_of(WORDS, site=np.array(words, object)[:, None])
    seen = Profile(schema)

    seen.update({"site": np.array([["north"], ["mr smith"], ["east"], [""], [None]], object)}, {})

    assert schema.bins[0].words == ("north", "south")
    assert schema.bins[0].counts == (30, 12, 9, 0)
    assert seen.of("site").tolist() == [1, 0, 2, 2]


@pytest.mark.parametrize("words", [np.array([[b"north"]] * 12), np.array([["north"]] * 12)])
def test_words_may_be_bytes_or_fixed_in_length(words):
    schema = schema_of(WORDS, site=words)
    seen = Profile(schema)

    seen.update({"site": words}, {})

    assert seen.of("site").tolist() == [12, 0, 0]


def test_of_a_thousand_codes_twenty_have_slots_and_the_rest_are_others():
    generator = np.random.default_rng(0)
    codes = generator.zipf(1.3, 20_000)[:, None] % 100_000
    schema = schema_of(CODES, code=codes)
    seen = Profile(schema)

    seen.update({"code": codes}, {})

    assert len(schema.bins[0].top) == 20
    assert seen.of("code").tolist() == list(schema.bins[0].counts)
    assert seen.of("code")[-2] > 0


def test_embeddings_are_sums_that_tell_a_shift_from_noise():
    generator = np.random.default_rng(0)
    schema = schema_of(VECTOR, vector=generator.normal(size=(2000, 16)).astype("f4"))
    reference = np.array(schema.bins[0].counts[:SUMS]) / UNIT / 2000

    def apart(shift: float) -> float:
        seen = Profile(schema)
        seen.update({"vector": (generator.normal(size=(1000, 16)) + shift).astype("f4")}, {})
        return float(((seen.of("vector")[:SUMS] / UNIT / 1000 - reference) ** 2).sum())

    freedom = schema.bins[0].projection.freedom
    unit = (64 - (reference**2).sum()) * (1 / 1000 + 1 / 2000) / freedom
    assert 10 < freedom < 64
    assert abs(apart(0.0) / unit - freedom) < 4 * math.sqrt(2 * freedom)
    assert apart(0.3) / unit - freedom > 20 * math.sqrt(2 * freedom)
    assert schema.bins[0].n_ref == 2000


def test_an_embedding_takes_at_most_512_bytes_for_a_million_rows():
    sums = np.random.default_rng(0).normal(0, UNIT * 1000, SUMS).astype(np.int64)

    assert len(wire.encode(sums)) <= 512


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(6)))
def test_sums_of_embeddings_are_the_same_in_any_order(order):
    generator = np.random.default_rng(1)
    vectors = generator.normal(size=(6, 5, 16)).astype("f4")
    projection = embeddings.Projection(length=3.0)

    shuffled = sum(embeddings.sums_of(vectors[place], projection) for place in order)

    assert shuffled.tolist() == sum(embeddings.sums_of(part, projection) for part in vectors).tolist()


def test_directions_never_change():
    one = embeddings.features_of(np.eye(3, dtype=np.float32)[:1], embeddings.Projection(seed=1, length=2.0))

    assert one[0, :4].tolist() == [87, 121, 123, 109]


def test_a_broken_vector_is_missing_and_shifts_no_sum():
    schema = schema_of(VECTOR, vector=np.random.default_rng(0).normal(size=(50, 16)).astype("f4"))
    seen = Profile(schema)

    seen.update({"vector": np.full((2, 16), np.inf, np.float32)}, {})

    assert seen.of("vector").tolist() == [0] * SUMS + [0, 2]
    assert seen.of("vector.quality")[1] == 2


def test_a_tone_has_its_loudness_pitch_and_octave():
    time = np.arange(1024)
    tones = np.stack([0.5 * np.sin(np.pi * share * time + 0.1) for share in (0.05, 0.2, 0.35, 0.75)])

    rms, peak, crossings, centroid, *bands = sound_statistics(np.vstack([tones, np.zeros((1, 1024))])).T

    assert rms[:4] == pytest.approx([0.3536] * 4, abs=0.01)
    assert peak[:4] == pytest.approx([0.5] * 4, abs=0.02)
    assert crossings[:4] == pytest.approx([0.05, 0.2, 0.35, 0.75], abs=0.01)
    assert centroid[:4] == pytest.approx([0.05, 0.2, 0.35, 0.75], abs=0.02)
    assert [int(np.argmax(row)) for row in np.array(bands).T] == [0, 1, 2, 3, 0]
    assert np.array(bands).sum(axis=0) == pytest.approx(np.ones(5))


def test_sounds_are_profiled_and_a_broken_one_is_missing():
    generator = np.random.default_rng(0)
    sounds = generator.normal(size=(100, 1024)).astype("f4")
    schema = schema_of(SOUND, sound=sounds)
    seen = Profile(schema)
    sounds[0, 5] = np.nan

    seen.update({"sound": sounds}, {})

    names = [feature.name for feature in schema.features if feature.tensor == "sound"]
    assert names[:5] == ["sound.rms", "sound.peak", "sound.zero_crossings", "sound.spectral_centroid", "sound.band_0"]
    assert all(seen.of(name)[-1] == 1 for name in names[:8])


def test_sounds_may_have_any_length():
    spec = msgspec.structs.replace(SOUND, shape=(None, None))
    schema = schema_of(spec, sound=np.random.default_rng(0).normal(size=(50, 300)).astype("f4"))
    seen = Profile(schema)

    for length in (200, 301, 0):
        seen.update({"sound": np.ones((1, length), np.float32)}, {})

    assert seen.of("sound.rms").sum() == 3
    assert seen.of("sound.rms")[-1] == 1


def test_flaws_of_an_input_are_counted_beside_its_bins():
    schema = sensors()
    seen = Profile(schema)

    seen.update({"x": np.array([[0.5, -7.0], [1.5, 0.5], [-0.1, 0.5], [np.nan, 9.0]], np.float32)}, {})
    seen.reject("x")
    seen.reject("no such input")

    assert dict(zip(Flaw, seen.of("x.quality").tolist(), strict=True)) == {
        Flaw.REJECTED: 2,
        Flaw.MISSING: 1,
        Flaw.OUT_OF_RANGE: 3,
        Flaw.STUCK: 0,
    }


@pytest.mark.parametrize("batch", [1, 7, 40, 100])
def test_a_sensor_is_stuck_from_its_thirtieth_equal_value_on(batch):
    schema = sensors()
    rows = np.random.default_rng(0).random((100, 2)).astype("f4")
    rows[20:70, 1] = 0.25
    seen = Profile(schema)

    for start in range(0, 100, batch):
        seen.update({"x": rows[start : start + batch]}, {})

    assert seen.of("x.quality")[3] == 50 - 29


def test_a_sensor_that_was_stuck_in_the_window_before_still_is():
    schema = sensors()
    stuck = {"x": np.full((20, 2), 0.25, np.float32)}
    before = Profile(schema)
    before.update(stuck, {})
    before.settle()

    after = Profile(schema, before)
    after.update(stuck, {})

    assert before.of("x.quality")[3] == 0
    assert after.of("x.quality")[3] == 11


def test_what_was_constant_in_training_is_never_stuck():
    schema = schema_of(SENSORS, x=np.ones((100, 2), np.float32))
    seen = Profile(schema)

    seen.update({"x": np.ones((100, 2), np.float32)}, {})

    assert seen.of("x.quality").tolist() == [0, 0, 0, 0]


def test_a_range_needs_one_number_or_one_for_each_column():
    with pytest.raises(InvalidInput):
        schema_of(msgspec.structs.replace(SENSORS, low=(0.0, 0.0, 0.0)), x=np.ones((9, 2), np.float32))


def test_vitals_and_taps_are_counted_without_a_row():
    seen = Profile(sensors())
    assert seen.is_empty

    seen.read_vitals({FeatureKind.MEMORY: 2.0**27, FeatureKind.CPU: 0.12, FeatureKind.TEMPERATURE: None})
    seen.tap(Tap.WRONG)
    read = Profile.from_bytes(seen.schema, seen.to_bytes())

    assert read.rows == 0
    assert not read.is_empty
    assert read.of("memory")[28] == 1
    assert read.of("cpu")[2] == 1
    assert read.of("temperature")[-1] == 1
    assert read.of("feedback").tolist() == [0, 1]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(list(SCALES)), st.floats(allow_nan=True, allow_infinity=True))
def test_any_reading_has_a_slot(kind, value):
    scale = SCALES[kind]

    place = int(scale.places(np.array([value]))[0])

    is_missing = math.isnan(value) or (scale.is_log and value <= 0)
    assert (place == scale.bins) is is_missing
    assert 0 <= place <= scale.bins


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(width=32), min_size=1, max_size=40), st.lists(st.floats(width=32), min_size=1, max_size=40))
def test_float32_falls_between_float64_edges_as_it_compares(training, live):
    column = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 1))
    schema = schema_of(column, x=np.array(training, np.float32)[:, None])
    seen = Profile(schema)

    seen.update({"x": np.array(live, np.float32)[:, None]}, {})

    edges = schema.bins[0].edges
    places = [len(edges) + 1 if math.isnan(value) else sum(value >= edge for edge in edges) for value in live]
    assert seen.of("x").tolist() == np.bincount(places, minlength=len(edges) + 2).tolist()


def test_one_class_and_constants_make_a_schema_that_counts():
    label = TensorSpec(name="label", dtype=Dtype.INT64, shape=(None,), kind=Kind.LABEL)
    contract = Contract(inputs=(SENSORS,), outputs=(label,))
    rows = {"x": np.zeros((30, 2), np.float32)}
    schema = build_schema(contract, "m", 1, rows, {"label": np.full(30, 4)})
    seen = Profile(schema)

    seen.update(rows, {"label": np.full(30, 4)})

    assert seen.of("predicted").tolist() == [30, 0, 0]
    assert decode_schema(encode_schema(schema)) == schema


@pytest.mark.parametrize("change", ["rows", "below_zero", "flaws", "sums", "vitals"])
def test_counts_that_do_not_agree_are_refused(change):
    schema = schema_of(VECTOR, vector=np.random.default_rng(0).normal(size=(50, 16)).astype("f4"))
    seen = Profile(schema)
    seen.update({"vector": np.ones((5, 16), np.float32)}, {}, 0.001)
    numbers = np.concatenate([[seen.rows], seen.counts])
    place = {
        "rows": schema.span("vector").start + SUMS,
        "below_zero": schema.span("feedback").start,
        "flaws": schema.span("vector.quality").start + 2,
        "sums": schema.span("vector").start,
        "vitals": schema.span("cpu").start,
    }[change]
    numbers[1 + place] = -1 if change == "below_zero" else 6 * UNIT

    with pytest.raises(HostileInput):
        Profile.from_bytes(schema, wire.encode(numbers))


def test_ten_deliveries_out_of_order_are_one_after_the_window_ids():
    schema, generator = sensors(), np.random.default_rng(0)
    sent = {}
    for number in range(20):
        window = Profile(schema)
        window.update({"x": generator.random((number + 1, 2)).astype("f4")}, {})
        sent[f"boot:{number}"] = window.to_bytes()
    arrivals = generator.permutation(list(sent) * 10)

    kept = {id: sent[id] for id in arrivals.tolist()}

    assert Profile.read_all(schema, list(kept.values())).counts.tolist() == (
        Profile.read_all(schema, list(sent.values())).counts.tolist()
    )


def sensors() -> Schema:
    return schema_of(SENSORS, x=np.random.default_rng(9).random((200, 2)).astype("f4"))


def schema_of(spec: TensorSpec, **tensors: np.ndarray) -> Schema:
    return build_schema(Contract(inputs=(spec,), outputs=()), "m", 1, tensors, {})
