"""Windows of hours and days, from devices that were long away, count row for row and are seen in the order of time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from edgewright.contract.profile import Profile, merge_payloads
from edgewright.contract.report import ProfileWindow

HOUR_S, DAY_S = 3600.0, 86_400.0


def merged(parts: Sequence[ProfileWindow]) -> ProfileWindow:
    rows = sum(part.rows for part in parts)
    return msgspec.structs.replace(
        parts[0],
        id=f"condensed:{parts[0].id}",
        start=min(part.start for part in parts),
        end=max(part.end for part in parts),
        rows=rows,
        payload=merge_payloads([part.payload for part in parts], rows),
    )


def month(line, *, days: int = 29, shift_in_the_last_hour: float = 0.0) -> list[ProfileWindow]:
    """What a device sends after a month: the newest first, minutes, then hours, then days; 60 rows a minute."""
    sent = []
    for _ in range(days):
        line.now += DAY_S
        sent.append(msgspec.structs.replace(line.window(rows=86_400), start=line.now - DAY_S))
    for _ in range(23):
        line.now += HOUR_S
        sent.append(msgspec.structs.replace(line.window(rows=3600), start=line.now - HOUR_S))
    for _ in range(60):
        line.now += 60
        sent.append(line.window(shift=shift_in_the_last_hour))
    return sent[::-1]


def test_a_month_in_wide_windows_is_used_row_for_row_and_raises_nothing(line) -> None:
    windows = month(line)

    line.send("far", *windows)
    alert = line.observe.detect("press", 1)

    (used,) = line.observe.usage("press")
    assert alert is None
    assert (used.rows, used.windows) == (sum(one.rows for one in windows), len(windows))
    assert used.last_at - used.first_at == pytest.approx(30 * DAY_S)


def test_a_drift_of_the_last_hour_is_seen_though_it_comes_before_the_month_without_one(line) -> None:
    line.send("far", *month(line, shift_in_the_last_hour=2.0))

    alert = line.observe.detect("press", 1)

    assert alert is not None
    assert line.now - alert.since <= 2 * DAY_S


def test_after_a_month_came_in_a_new_drift_is_seen_within_the_hour(line) -> None:
    line.send("far", *month(line))
    assert line.observe.detect("press", 1) is None

    line.minutes(60, {"far": 1.5})

    (alert,) = line.alerts.chosen()
    assert [feature.feature for feature in alert.features] == ["flow"]
    assert line.now - alert.since <= 3700


def test_merged_windows_say_the_same_as_those_that_they_replace(line) -> None:
    minutes = [line.window() for _ in range(60)]
    wide, apart = merged(minutes), Profile(line.schema)
    for minute in minutes:
        apart.merge(Profile.from_bytes(line.schema, minute.payload))

    line.send("far", wide)

    assert np.array_equal(Profile.from_bytes(line.schema, wide.payload).counts, apart.counts)
    assert line.observe.usage("press")[0].rows == 3600
    assert not line.told("window_refused")
