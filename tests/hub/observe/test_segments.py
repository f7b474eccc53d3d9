"""What one device adds is bounded, liars neither raise nor hide, and the same hour of the week is remembered."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.contract.api import AlertKind, AlertLevel
from edgewright.contract.profile import build_schema
from edgewright.contract.tensors import Contract, Dtype, TensorSpec
from edgewright.hub.observe.detectors import Baseline
from edgewright.hub.observe.segments import WHOLE, Segment, stands_without_liars, table, watched_cohorts
from edgewright.hub.observe.segments.model import (
    hour_of_week,
    is_watched,
    shares_of_devices,
    shares_of_widths,
    split_into_panes,
    usual_of,
    week_of,
)
from edgewright.hub.observe.segments.trimming import pooled

HOUR_S = 3600.0


def baseline() -> Baseline:
    spec = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 1), names=("flow",))
    rows = np.random.default_rng(0).normal(size=(10_000, 1))
    return Baseline(build_schema(Contract(inputs=(spec,), outputs=()), "press", 1, {"x": rows}, {}))


BASE = baseline()


def counts(shift: float, rows: int, seed: int) -> np.ndarray:
    from edgewright.contract.profile import Profile

    seen = Profile(BASE.schema)
    seen.update({"x": np.random.default_rng(seed).normal(shift, size=(rows, 1))}, {}, 0.001)
    return seen.counts.astype(np.float64)


def fleet(honest: float, liars: int, lie: float, liars_rows: int = 200) -> dict[str, np.ndarray]:
    own = {f"d{i:02}": counts(honest, 200, i) for i in range(40 - liars)}
    return own | {f"l{i:02}": counts(lie, liars_rows, 100 + i) for i in range(liars)}


@pytest.mark.parametrize("rows", [200, 20_000])
def test_one_liar_in_twenty_raises_nothing(rows):
    assert not stands_without_liars(BASE, ("flow",), fleet(0.0, 2, 5.0, rows), 0.1)


@pytest.mark.parametrize("lie", [-5.0, 0.0, 5.0])
@pytest.mark.parametrize("rows", [200, 20_000])
def test_one_liar_in_twenty_hides_nothing(lie, rows):
    assert stands_without_liars(BASE, ("flow",), fleet(1.0, 2, lie, rows), 0.1)


def test_what_many_devices_see_stands():
    assert stands_without_liars(BASE, ("flow",), fleet(0.0, 12, 3.0), 0.1)


def test_in_a_small_fleet_one_bad_device_is_a_finding():
    few = {"good": counts(0.0, 200, 1), "bad": counts(3.0, 200, 2)}

    assert stands_without_liars(BASE, ("flow",), few, 0.1)


def test_a_device_adds_twice_what_is_usual_and_no_more():
    claims = [("honest", 100.0), ("liar", 150.0), ("liar", 1e9), ("liar", 10.0), ("honest", 60.0)]

    shares = shares_of_devices(claims, {}, usual=100.0)

    added = [share * rows for share, (_, rows) in zip(shares, claims, strict=True)]
    assert added == [100.0, 150.0, pytest.approx(50.0), 0.0, 60.0]


def test_what_was_added_in_this_hour_counts():
    assert shares_of_devices([("liar", 100.0)], {"liar": 190.0}, usual=100.0) == [0.1]


def test_small_fleets_are_taken_at_their_word():
    assert usual_of([5.0] * 19) is None
    assert usual_of([5.0] * 19 + [1e12]) == 5.0
    assert shares_of_devices([("one", 1e6)], {}, None) == [1.0]


def test_cohorts_are_watched_where_there_are_two_to_compare():
    known = {"site=a", "site=b", "agent=1.0", "hardware=pi"}

    assert watched_cohorts(known) == {"site=a", "site=b"}
    assert len(watched_cohorts({f"site={i}" for i in range(1000)})) == 200


def test_what_is_looked_for_where():
    assert all(is_watched(WHOLE, kind) for kind in AlertKind)
    assert not is_watched(Segment(AlertLevel.COHORT, "site=a"), AlertKind.ODD_DEVICE)
    assert is_watched(Segment(AlertLevel.FLEET), AlertKind.LATENCY)


def test_long_windows_do_not_outvote_short_ones():
    assert shares_of_widths([60.0, 60.0, 60.0, 86_400.0]) == [1.0, 1.0, 1.0, pytest.approx(240 / 86_400)]


def test_panes_have_rows_enough_and_are_not_many():
    assert split_into_panes([20.0, 20.0]) == []
    assert split_into_panes([30.0, 30.0, 30.0, 30.0]) == [slice(0, 2), slice(2, 4)]
    assert len(split_into_panes([100.0] * 2000)) <= 20


def test_an_hour_of_the_week_comes_round():
    assert hour_of_week(5 * HOUR_S + 10) == hour_of_week((5 + 168) * HOUR_S) == 5
    assert week_of((5 + 168) * HOUR_S) == week_of(5 * HOUR_S) + 1


def test_the_season_of_an_hour_is_what_earlier_weeks_brought(line):
    names = table.key("press", 1, WHOLE)
    with line.db.write() as connection:
        for week, value in enumerate([8.0, 4.0, 2.0]):
            for _ in range(2):  # two panes of the same hour
                old = table.season_of(connection, names, 7)
                table.add_to_season(connection, names, 7, week, old, np.array([value, 0.0]))

        row = table.season_of(connection, names, 7)

    assert row["weeks"] == 2
    assert table.unpack(row["past"], 2).tolist() == [0.75 * 16.0 + 8.0, 0.0]
    assert table.unpack(row["current"], 2).tolist() == [4.0, 0.0]
    assert table.unpack(row["past"], 3).tolist() == [0.0, 0.0, 0.0]  # of another schema


def test_few_devices_cannot_make_the_latency_or_the_missing_values_of_all():
    contract = Contract(
        inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 1), names=("flow",)),), outputs=()
    )
    rows = np.random.default_rng(0).normal(size=(500, 1))
    schema = build_schema(contract, "press", 1, {"x": rows}, {})
    place = [feature.name for feature in schema.features]
    slow, missing = schema.offsets[place.index("latency")] + 150, schema.offsets[place.index("flow") + 1] - 1
    quick = schema.offsets[place.index("latency")] + 50
    counts = np.zeros((40, schema.offsets[-1]))
    counts[:, quick], counts[:, missing] = 100, 1
    counts[:2, quick], counts[:2, slow], counts[:2, missing] = 0, 100, 100

    total = pooled(schema, counts, np.full(40, 100.0))

    assert (total[slow], total[missing]) == (0, 40)
    assert pooled(schema, counts[:9], np.full(9, 100.0)).tolist() == counts[:9].sum(axis=0).tolist()
