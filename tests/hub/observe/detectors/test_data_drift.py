"""The detector by simulation: silent where nothing changed, even in small worlds, and quick where something did."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier

from edgewright.contract.profile import Profile, Schema, build_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.observe.detectors import THRESHOLD, Baseline, Finding, Pane, detector, drifting_devices
from edgewright.hub.observe.detectors.drift.effects import total_variation

ROWS = 60
DETECTOR = detector("data-drift")


def worlds(quick: int, all_: int) -> list:
    """Seeds of worlds to simulate: some of them each time, all of them now and then."""
    return [*range(quick), *(pytest.param(seed, marks=pytest.mark.e2e) for seed in range(quick, all_))]


def columns(count: int) -> Contract:
    spec = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, count))
    return Contract(inputs=(spec,), outputs=())


def classifier(spec: TensorSpec, classes: int) -> Contract:
    scores = TensorSpec(name="scores", dtype=Dtype.FLOAT32, shape=(None, classes), kind=Kind.SCORES)
    return Contract(inputs=(spec,), outputs=(scores,))


def watch(schema: Schema, batches) -> list[Finding]:
    """What the detector says after each pane; pane t starts at time t."""
    baseline = Baseline(schema)
    state, findings = DETECTOR.fresh(baseline), []
    for moment, (inputs, outputs) in enumerate(batches):
        seen = Profile(schema)
        seen.update(inputs, outputs)
        state = DETECTOR.step(state, baseline, Pane(float(moment), moment + 1.0, seen.rows, seen.counts))
        findings.append(DETECTOR.judge(state, baseline))
    return findings


@pytest.mark.parametrize("seed", worlds(quick=6, all_=30))
def test_twenty_thousand_unchanged_rows_raise_no_alarm(seed):
    generator = np.random.default_rng(seed)
    schema = build_schema(columns(10), "m", 1, {"x": generator.normal(size=(1300, 10))}, {})

    findings = watch(schema, (({"x": generator.normal(size=(100, 10))}, {}) for _ in range(200)))

    assert not any(finding.is_alarm for finding in findings)


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_of_one_standard_deviation_in_one_of_ten_columns_alarms_within_300_rows(seed):
    generator = np.random.default_rng(seed)
    schema = build_schema(columns(10), "m", 1, {"x": generator.normal(size=(1300, 10))}, {})
    batches = [generator.normal(size=(100, 10)) for _ in range(23)]
    for batch in batches[20:]:
        batch[:, 3] += 1

    findings = watch(schema, (({"x": batch}, {}) for batch in batches))

    assert not any(finding.is_alarm for finding in findings[:20])
    assert findings[-1].is_alarm
    assert names(findings[-1]) == ["x[3]"]
    assert findings[-1].alarmed[0].direction == "higher"
    assert 19 <= findings[-1].since <= 20


@pytest.mark.parametrize("seed", worlds(quick=2, all_=5))
def test_a_hold_out_of_58_wines_resampled_for_ever_is_no_drift(seed):
    generator = np.random.default_rng(seed)
    rows, truth = load_wine(return_X_y=True)
    order = generator.permutation(len(rows))
    train, rest = rows[order[:120]].astype(np.float32), rows[order[120:]].astype(np.float32)
    forest = RandomForestClassifier(20, random_state=0).fit(train, truth[order[:120]])
    scores = forest.predict_proba(rest).astype(np.float32)
    contract = classifier(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 13)), 3)
    schema = build_schema(contract, "wine", 1, {"x": train}, {"scores": scores})

    picks = (generator.integers(0, len(rest), ROWS) for _ in range(8 * 40))
    findings = watch(schema, (({"x": rest[pick]}, {"scores": scores[pick]}) for pick in picks))

    assert not any(finding.is_alarm for finding in findings)
    assert max(finding.evidence for finding in findings) < THRESHOLD / 2


def test_a_sensor_of_the_wine_line_that_fails_is_seen_all_the_same():
    generator = np.random.default_rng(0)
    rows = generator.permutation(load_wine().data).astype(np.float32)
    contract = columns(13)
    schema = build_schema(contract, "wine", 1, {"x": rows[:120]}, {})
    batches = [rows[120 + generator.integers(0, 58, ROWS)] for _ in range(12)]
    for batch in batches[10:]:
        batch[:, 0] = np.nan

    findings = watch(schema, (({"x": batch}, {}) for batch in batches))

    assert not any(finding.is_alarm for finding in findings[:10])
    assert findings[-1].is_alarm
    assert names(findings[-1]) == ["x[0]"]
    assert findings[-1].alarmed[0].direction == "missing"


def digits_world(seed: int) -> tuple[Schema, np.ndarray, np.random.Generator]:
    """The schema of 1,257 digits, and the 540 that live rows are drawn from."""
    generator = np.random.default_rng(seed)
    pixels = generator.permutation(load_digits().data).astype(np.float32)
    spec = TensorSpec(name="image", dtype=Dtype.FLOAT32, shape=(None, 64), kind=Kind.IMAGE, height=8, width=8)
    return (
        build_schema(Contract(inputs=(spec,), outputs=()), "digits", 1, {"image": pixels[:1257]}, {}),
        pixels[1257:],
        generator,
    )


@pytest.mark.parametrize("seed", worlds(quick=2, all_=5))
@pytest.mark.parametrize("world", [540, 270])
def test_a_hold_out_of_digits_resampled_for_ever_is_no_drift(seed, world):
    schema, pixels, generator = digits_world(seed)

    picks = (generator.integers(0, world, ROWS) for _ in range(8 * 40))
    findings = watch(schema, (({"image": pixels[pick]}, {}) for pick in picks))

    assert not any(finding.is_alarm for finding in findings)


def shifted(images: np.ndarray, _: np.random.Generator, by: int = 1) -> np.ndarray:
    moved = np.zeros_like(images)
    moved[:, :, by:] = images[:, :, :-by]
    return moved


def shifted_by_two(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return shifted(images, generator, by=2)


def dimmed(images: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return images * 0.5


def noised(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.clip(images + generator.normal(0, 2, images.shape), 0, 16)


@pytest.mark.parametrize(
    ("change", "feature", "direction"),
    [
        (shifted, "image.centroid_x", "higher"),
        (shifted_by_two, "image.centroid_x", "higher"),
        (dimmed, "image.brightness", "lower"),
        (noised, "image.dark_share", "lower"),
    ],
)
def test_changed_digits_alarm_within_three_windows_and_say_how(change, feature, direction):
    schema, pixels, generator = digits_world(0)
    batches = [pixels[generator.integers(0, len(pixels), ROWS)] for _ in range(23)]
    for t in range(20, 23):
        batches[t] = change(batches[t].reshape(-1, 8, 8), generator).reshape(-1, 64)

    findings = watch(schema, (({"image": batch}, {}) for batch in batches))

    drifted = {change.feature: change.direction for change in findings[-1].alarmed}
    assert not any(finding.is_alarm for finding in findings[:20])
    assert findings[-1].is_alarm
    assert drifted[feature] == direction
    assert findings[-1].since >= 18


def test_effects_are_about_zero_without_drift_and_about_right_with_it():
    generator = np.random.default_rng(0)
    schema = build_schema(columns(1), "m", 1, {"x": generator.normal(size=(5000, 1))}, {})
    groups = Baseline(schema).groups

    same, moved = (groups.of(counts_of(schema, generator.normal(shift, 1, size=(600, 1)))) for shift in (0, 1))

    assert total_variation(groups, same, groups.shares, groups.n_ref)[0] < 0.05
    assert total_variation(groups, moved, groups.shares, groups.n_ref)[0] == pytest.approx(0.383, abs=0.05)


def test_only_devices_that_drift_are_named():
    generator = np.random.default_rng(0)
    schema = build_schema(columns(3), "m", 1, {"x": generator.normal(size=(1300, 3))}, {})
    dirty = generator.normal(size=(120, 3))
    dirty[:, 1] -= 2
    rows = {f"clean-{i}": generator.normal(size=(120, 3)) for i in range(20)} | {"dirty": dirty}

    named = drifting_devices(Baseline(schema), ["x[1]"], {d: counts_of(schema, r) for d, r in rows.items()})

    assert named == ("dirty",)


def names(finding: Finding) -> list[str]:
    return [change.feature for change in finding.alarmed]


def counts_of(schema: Schema, rows: np.ndarray) -> np.ndarray:
    seen = Profile(schema)
    seen.update({"x": rows}, {})
    return seen.counts
