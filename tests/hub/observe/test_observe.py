"""Windows come in once, drift is told once and explained, and late windows still count."""

from __future__ import annotations

import msgspec
import pytest

CALM = {f"lane-{i}": 0.0 for i in range(4)}
DIRTY = {**CALM, "lane-2": 2.5, "lane-3": 2.5}


def test_a_window_that_comes_twice_counts_once(line):
    window = line.window()

    first = line.send("lane-1", window)
    again = line.send("lane-1", window, line.window())

    assert first == [window.id]
    assert again[0] == window.id
    (usage,) = line.observe.usage("press")
    assert (usage.windows, usage.rows, usage.device) == (2, 120, "lane-1")


def test_two_devices_may_use_the_same_window_id(line):
    window = line.window()

    line.send("lane-1", window)
    line.send("lane-2", window)

    assert [record.windows for record in line.observe.usage()] == [1, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": 2**40},
        {"model": "other"},
        {"schema_sha256": "0" * 64},
        {"payload": b"\x01junk"},
        {"rows": 61},
        {"end": 0.0},
        {"start": float("nan")},
    ],
)
def test_a_window_that_cannot_be_read_is_refused_aloud_and_not_sent_for_ever(line, change):
    bad, good = msgspec.structs.replace(line.window(), **change), line.window()

    committed = line.send("lane-1", bad, good)

    assert committed == [bad.id, good.id]
    assert [event.subject for event in line.told("observe.window_refused")] == ["lane-1"]
    assert line.observe.usage()[0].windows == 1


def test_windows_are_told_of_with_their_model_and_version(line):
    line.send("lane-1", line.window(), line.window())

    (event,) = line.told("observe.windows")

    assert event.subject == "press/1"
    assert (event.data["model"], event.data["version"], event.data["rows"]) == ("press", 1, 120)


def test_an_unchanged_line_is_left_in_peace(line):
    line.minutes(60, CALM)

    (status,) = line.observe.status()
    assert not status.is_drifting
    assert status.alerts == ()
    assert (status.rows, status.windows, status.devices) == (60 * 4 * 60, 240, 4)
    assert status.evidence < status.threshold
    assert 0 < len(status.series) <= 200
    assert set(status.series[-1].effects) == {"heat", "flow", "hum"}


def test_drift_is_told_once_with_feature_direction_time_and_devices(line):
    line.minutes(10, CALM)
    onset = line.now
    line.minutes(5, DIRTY)

    (alert,) = line.alerts.chosen()

    assert [feature.feature for feature in alert.features] == ["flow"]
    assert alert.features[0].direction == "higher"
    assert alert.devices == ("lane-2", "lane-3")
    assert abs(alert.since - onset) <= 60
    assert onset < alert.raised_at <= onset + 180
    assert "flow (higher" in alert.message
    assert alert.compared_with == "the training data of version 1 (1300 rows)"
    assert [event.data["alert"] for event in line.told("observe.alert")] == [alert.id]
    assert line.observe.status("press")[0].is_drifting
    assert line.audit.verify().is_verified


def test_too_few_rows_wait_for_more(line):
    line.send("lane-1", line.window(rows=20, shift=3.0))
    line.observe.detect("press", 1)
    before = line.observe.status()[0]

    line.send("lane-1", line.window(rows=40, shift=3.0))
    line.observe.detect("press", 1)

    assert before.series == ()
    assert [point.rows for point in line.observe.status()[0].series] == [60]


def test_windows_of_a_device_that_was_offline_are_taken_in_when_they_come(line):
    kept = []
    for _ in range(30):
        line.now += 60
        kept.append(line.window(shift=2.5))
        line.send("lane-1", line.window())
        line.observe.detect("press", 1)

    line.send("lane-9", *kept)
    alert = line.observe.detect("press", 1)

    assert alert is not None
    assert alert.devices == ("lane-9",)
    assert alert.since < line.now - 60
    totals = {record.device: (record.windows, record.rows) for record in line.observe.usage()}
    assert totals == {"lane-1": (30, 1800), "lane-9": (30, 1800)}


def test_the_detector_goes_on_after_the_hub_was_started_again(line, tmp_path):
    line.minutes(10, CALM)
    line.minutes(1, DIRTY)
    first = line.observe.status()[0]

    line.observe = line.watch("data-drift")
    again = line.observe.status()[0]
    line.minutes(3, DIRTY)

    assert again == first
    assert len(line.alerts.chosen()) == 1


def test_resolving_closes_the_alert_and_old_windows_do_not_open_it_again(line):
    line.minutes(10, CALM)
    line.minutes(5, DIRTY)
    late = [line.window(shift=2.5) for _ in range(10)]
    line.now += 60

    with line.db.write() as connection:
        line.observe.resolve(connection, "press")
    line.send("lane-2", *late)
    raised = line.observe.detect("press", 1)

    assert raised is None
    assert [alert.state for alert in line.alerts.chosen()] == ["resolved"]
    assert not line.observe.status()[0].is_drifting
    assert line.told("observe.alert_resolved")


def test_drift_after_a_repair_is_told_anew(line):
    line.minutes(5, DIRTY)
    with line.db.write() as connection:
        line.observe.resolve(connection, "press")

    line.minutes(5, DIRTY)

    assert [alert.state for alert in line.alerts.chosen()] == ["open", "resolved"]


def test_a_model_that_nobody_knows_has_no_drift(line):
    assert line.observe.detect("ghost", 7) is None
    assert line.observe.status("ghost") == []
