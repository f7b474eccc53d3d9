"""Detectors on streams from the real data sets inside scikit-learn: what they miss, how late they are, how often wrong.

    python bench/detectors.py [--quick]

The streams are described in detection/worlds.py, seasons.py and cameras.py; a segment has 60 rows and 10 labels an
hour. All our detectors run together, judged by `over_all`, as the hub has them. The peers are river's and
evidently's, each at the most sensitive setting that keeps to one false alarm in 30 days on rows without drift (cameras
and categories: at its defaults); and 'always alarm', which is the fastest there is. Left out: peers that are not
installed (extra `bench-detectors`), and NannyML, alibi-detect, frouros (see DESIGN's figures). `--quick` plays few
streams, so that its shares are coarse, and leaves evidently out.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from agents.figures import figure
from detection import cameras, peers, seasons
from detection.watching import HOUR_S, MONTH_HOURS, NEVER, Watch, false_alarms, hours, pane_of, rows_to_alarm
from detection.worlds import NAMES, World, world

from edgewright.hub.observe.detectors import Answers, Pane, Reads

IS_QUICK = "--quick" in sys.argv[1:]
RUNS = 4 if IS_QUICK else 20
MONTHS = 1 if IS_QUICK else 5
BURN_IN, AFTER = 48, 60
LABELS_AN_HOUR = 10
SHIFT_SD, MISSING_SHARE, FLIPPED = 0.3, 0.03, 0.2
BOUNDS = {"shift": 1200, "missing": 300, "flip": 350}


def main() -> int:
    """One JSON line a figure; 1 if a bound does not hold."""
    holds = [false_alarms_in_a_month(name) for name in NAMES]
    holds += [delay(name, "shift", shifted) for name in NAMES]
    holds += [delay(name, "missing", with_holes) for name in NAMES]
    holds += [flip(name) for name in NAMES]
    holds += [seasonal(), category(), *map(dirty, (0.0, cameras.FLEET_SD))]
    return 0 if all(holds) else 1


def false_alarms_in_a_month(name: str) -> bool:
    """30 days of 60 rows an hour, where nothing drifts."""
    one = world(name)
    found = [
        alarm
        for seed in range(MONTHS)
        for alarm in false_alarms(Watch(one.baseline), panes(one, MONTH_HOURS, np.random.default_rng(seed)))
    ]
    rate = len(found) / MONTHS
    more = {"months": MONTHS, "by": found}
    return figure(
        f"false alarms in 30 days, {name}", rate, 720, "always alarm", "alarms", bound="<= 1", holds=rate <= 1, **more
    )


def delay(name: str, what: str, change: Callable[[World, np.ndarray, int, np.random.Generator], np.ndarray]) -> bool:
    """Rows from the change to the alarm: half of the runs are faster, nine of ten at most."""
    one = world(name)
    found, streams = [], []
    for seed in range(RUNS):
        random = np.random.default_rng(1000 + seed)
        column, watch = int(random.integers(one.rows.shape[1])), Watch(one.baseline)
        before = [rows for _, rows in hours(one, BURN_IN, random)]
        after = [change(one, rows, column, random) for _, rows in hours(one, AFTER, random)]
        early = [watch.see(pane_of(one, hour, rows)) for hour, rows in enumerate(before)]
        late = (pane_of(one, BURN_IN + hour, rows) for hour, rows in enumerate(after))
        found.append(rows_to_alarm(watch, late)[0] if not any(early) else NEVER)
        streams.append((np.concatenate(before), np.concatenate(after)))
    return told(f"rows to the alarm, {what}, {name}", found, BOUNDS[what], peer_delays(one, what, streams))


def shifted(one: World, rows: np.ndarray, column: int, random: np.random.Generator) -> np.ndarray:
    """One column is 0.3 standard deviations higher."""
    rows[:, column] += SHIFT_SD * one.spread[column]
    return rows


def with_holes(one: World, rows: np.ndarray, column: int, random: np.random.Generator) -> np.ndarray:
    """3 % of one column's values are missing."""
    rows[random.random(len(rows)) < MISSING_SHARE, column] = np.nan
    return rows


def flip(name: str) -> bool:
    """A fifth of the rows belong to another class than before: labels from then to the alarm."""
    one = world(name)
    found, errors = [], []
    for seed in range(RUNS):
        random, watch = np.random.default_rng(2000 + seed), Watch(one.baseline, Reads.ANSWERS)
        told_of = [labelled(one, hour, hour >= BURN_IN, random) for hour in range(BURN_IN + AFTER)]
        early = [watch.see(pane) for pane in told_of[:BURN_IN]]
        late = next((k + 1 for k, pane in enumerate(told_of[BURN_IN:]) if watch.see(pane)), NEVER)
        found.append(late * LABELS_AN_HOUR if not any(early) else NEVER)
        errors.append(np.concatenate([pane.answers.is_wrong for pane in told_of if pane.answers]).astype(float))
    start = BURN_IN * LABELS_AN_HOUR
    streams = [(own[:start, None], own[start:, None]) for own in errors]
    quiet = month_of_errors(one)
    rivals = river_delays(quiet, streams) if peers.has("river") else {}
    if peers.has("evidently") and not IS_QUICK:
        bar = max(peers.evidently_scores(quiet[0], quiet[0]))
        rivals["evidently"] = [evidently_delay(quiet[0], after, bar) for _, after in streams]
    return told(
        f"labels to the alarm, 20 % flip, {name}", found, BOUNDS["flip"], rivals, errors=round(1 - right(one), 3)
    )


def seasonal() -> bool:
    """A/A weeks of strong seasons as a hub sees them: the share that alarms; the peer knows training alone."""
    weeks, names = (2, NAMES[1:2]) if IS_QUICK else (6, NAMES)
    ours, alone = (
        [bool(week) for name in names for week in look(world(name), weeks, np.random.default_rng(0))]
        for look in (seasons.weeks_with_alerts, seasons.weeks_with_alarms)
    )
    share, peer = sum(ours) / len(ours), "against training alone"
    more = {"weeks": weeks * len(names), "always alarm": 1.0} | seasonal_peers(names, weeks)
    name = "share of seasonal weeks without drift that alarm, in a hub after three weeks"
    return figure(name, share, sum(alone) / len(alone), peer, "share", bound="<= 0.07", holds=share <= 0.07, **more)


def seasonal_peers(names: Sequence[str], weeks: int) -> dict[str, float]:
    """The share of such weeks in which the peers alarm, each at its setting for months without a season."""
    alarms: dict[str, list[bool]] = {}
    for name in names:
        one, random = world(name), np.random.default_rng(79)
        month = np.concatenate([rows for _, rows in hours(one, MONTH_HOURS, random)])
        reference, found = seasons.weeks_of_rows(one, weeks, random)
        if peers.has("river"):
            streams = [(rows[:0] / one.spread, rows / one.spread) for rows in found]
            for peer, delays in river_delays([month / one.spread], streams).items():
                alarms.setdefault(peer, []).extend(delay != NEVER for delay in delays)
        if peers.has("evidently") and not IS_QUICK:
            bar = max(peers.evidently_scores(one.training[0], month))
            own = (max(peers.evidently_scores(reference, rows)) > bar for rows in found)
            alarms.setdefault("evidently", []).extend(own)
    return {peer: round(sum(own) / len(own), 3) for peer, own in alarms.items()}


def category() -> bool:
    """A category of 1 797 values without drift."""
    found = cameras.category_alarms(world("digits"), MONTH_HOURS, 0)
    name, rivals = "alarms in 30 days, 1 797 categories", cameras.category_peers(world("digits"), MONTH_HOURS, 0)
    return figure(name, len(found), 720, "always alarm", "alarms", bound="0", holds=not found, **rivals)


def dirty(fleet_sd: float) -> bool:
    """One dirty camera among 200: whether it is named, and how many clean ones are."""
    runs = [cameras.dirty_camera(world("digits"), seed, fleet_sd) for seed in range(1 if IS_QUICK else 3)]
    named = sum(one.is_named for one in runs) / len(runs)
    clean = sum(one.clean_named for one in runs) / (len(runs) * (cameras.CAMERAS - 1))
    name = "dirty camera among 200" + (", the fleet drifts" if fleet_sd else "")
    more = {"clean named": round(clean, 5), "hours": [one.hours for one in runs], "always alarm clean named": 1.0}
    for peer, own in ({} if IS_QUICK else cameras.peers_named(world("digits"), 0, fleet_sd)).items():
        more |= {
            f"{peer} named": cameras.DIRTY in own,
            f"{peer} clean named": round(len(own - {cameras.DIRTY}) / (cameras.CAMERAS - 1), 5),
        }
    return figure(
        name,
        named,
        1.0,
        "always alarm",
        "share named",
        bound="1, clean <= 0.001",
        holds=named == 1 and clean <= 0.001,
        **more,
    )


def told(name: str, found: list[float], bound: int, rivals: dict[str, list[float]], **more: object) -> bool:
    """The line of a delay, with those of the peers."""
    middle, ninth = statistics.median(found), sorted(found)[int(0.9 * (len(found) - 1))]
    peers_told = {f"{peer} median": shown(statistics.median(own)) for peer, own in rivals.items()}
    best = min(((statistics.median(own), peer) for peer, own in rivals.items()), default=(0.0, "always alarm"))
    more |= {"90 %": shown(ninth), "never": sum(one == NEVER for one in found), **peers_told, "always alarm": 1}
    value, peer = min(middle, 1e9), min(best[0], 1e9)
    return figure(name, value, peer, best[1], "rows", bound=f"<= {bound}", holds=middle <= bound, **more)


def peer_delays(one: World, what: str, streams: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, list[float]]:
    """The peers' delays; of missing values, they see whether they are."""

    def seen(rows: np.ndarray) -> np.ndarray:
        return np.isnan(rows).astype(float) if what == "missing" else rows / one.spread

    some = streams[: 3 if IS_QUICK else 10]
    random = np.random.default_rng(77)
    month = seen(np.concatenate([rows for _, rows in hours(one, MONTH_HOURS, random)]))
    found = river_delays([month], [(seen(a), seen(b)) for a, b in some]) if peers.has("river") else {}
    if peers.has("evidently") and not IS_QUICK:
        reference = seen(one.training[0])
        bar = max(peers.evidently_scores(reference, month))
        found["evidently"] = [evidently_delay(reference, seen(after), bar) for _, after in some]
    return found


def river_delays(quiet: list[np.ndarray], streams: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, list[float]]:
    """Each of river's detectors at its matched setting."""
    found = {}
    for name, (make, settings) in peers.river_kinds().items():
        setting = peers.matched(make, settings, quiet)
        found[name] = [peers.first_alarm(make, setting, np.concatenate(pair), len(pair[0]))[1] for pair in streams]
    return found


def evidently_delay(reference: np.ndarray, after: np.ndarray, bar: float) -> float:
    """Rows up to the end of the first window over `bar`."""
    scores = peers.evidently_scores(reference, after)
    place = next((place for place, score in enumerate(scores) if score > bar), None)
    return NEVER if place is None else (place + 1) * peers.WINDOW_ROWS


def panes(one: World, count: int, random: np.random.Generator) -> Iterator[Pane]:
    """Hours without drift."""
    return (pane_of(one, hour, rows) for hour, rows in hours(one, count, random))


def labelled(one: World, hour: int, is_flipped: bool, random: np.random.Generator) -> Pane:
    """An hour's labels."""
    rows, label = one.draw(LABELS_AN_HOUR, random)
    scores = one.scores(rows)
    predicted, classes = scores.argmax(axis=1), scores.shape[1]
    turned = is_flipped & (random.random(len(label)) < FLIPPED)
    label = np.where(turned, (label + random.integers(1, classes, len(label))) % classes, label)
    answers = Answers(
        labelled_at=np.full(len(label), hour * HOUR_S),
        predicted=predicted.astype(float),
        label=label.astype(float),
        is_wrong=predicted != label,
        is_even=np.ones(len(label), np.bool_),
        score=scores.max(axis=1).astype(float),
    )
    slots = one.schema.offsets[-1]
    return Pane(hour * HOUR_S, (hour + 1) * HOUR_S, 0.0, np.zeros(slots), answers=answers)


def month_of_errors(one: World) -> list[np.ndarray]:
    """Errors of 30 days without a flip."""
    rows, labels = one.draw(MONTH_HOURS * LABELS_AN_HOUR, np.random.default_rng(78))
    return [(one.scores(rows).argmax(axis=1) != labels).astype(float)[:, None]]


def right(one: World) -> float:
    """The share of the hold-out that is right."""
    return 1 - (one.baseline.hold_out.error_rate or 0.0)


def shown(value: float) -> float | None:
    """JSON has no infinity."""
    return None if value == NEVER else value


if __name__ == "__main__":
    sys.exit(main())
