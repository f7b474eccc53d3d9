"""A rollout rehearsed: `edgewright rollout plan … --rehearse`, and what it found in words and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgewright.cli.formats import counted, size
from edgewright.cli.output import Column, console, refuse, say, show_facts, show_json, show_table
from edgewright.cli.progress import RunProgress

if TYPE_CHECKING:
    from edgewright.client import Client
    from edgewright.contract.api import RehearsalDraft, RehearsalRecord, RehearsedRun, RehearsedSite, RehearsedWave

SITES = 5
SAID = {"stopped": "stops it", "not_stopped": "no", "cannot_say": "?"}
ORDER = tuple(SAID)


def rehearse(client: Client, draft: RehearsalDraft, *, as_json: bool) -> None:
    """Have the hub play a rollout, follow it, and show what was found."""
    run = client.rehearsals.start(draft)
    with RunProgress() as progress:
        ended = client.runs.wait(run.id, lambda record: progress((record,)))
    if ended.state != "done":
        why = f": {ended.error}" if ended.error else ""
        refuse(f"the rehearsal is {ended.state}{why}", field=f"run {run.id}", hint=f"edgewright run show {run.id}")
    show_rehearsal(client.rehearsals.get(run.id), as_json=as_json)


def show_rehearsal(found: RehearsalRecord, *, as_json: bool) -> None:
    """Print a rehearsal: the plan as it is first, then what a bad release would have done."""
    if as_json:
        show_json(found)
        return
    planned = found.runs[0]
    show_facts(found, FACTS, as_json=False)
    _head("as planned")
    show_facts(planned, RUN, as_json=False)
    show_table(planned.waves, WAVES, as_json=False, empty="No wave was played.")
    if len(planned.sites) > 1:
        _head(f"the worst of {counted(planned.sites_count, 'site')}")
        show_table(planned.sites[:SITES], SITE_COLUMNS, as_json=False, empty="")
    if bad := found.runs[1:]:
        _head("with a release that is bad on purpose")
        show_table(bad, BAD, as_json=False, empty="")
        _head("each rule: stops it in that wave, lets it pass (no), or cannot say (?)")
        show_table(rules_in(bad), [("RULE", str), *map(_rules_of, bad)], as_json=False, empty="")
        _head("why")
        show_table([one for run in bad for one in _reasons(run)], REASONS, as_json=False, empty="")
    for line in found.assumptions:
        say(f"note: {line}")


def rules_in(runs: Sequence[RehearsedRun]) -> list[str]:
    """The rules that any of these plays had, in the order of a gate's."""
    return list(dict.fromkeys(one.rule for run in runs for one in run.rules))


def _rules_of(run: RehearsedRun) -> Column[str]:
    """A column that says of each rule what it does about this release."""
    said = {one.rule: f"wave {one.wave}" if one.answer == "stopped" else SAID[one.answer] for one in run.rules}
    return _badness(run).upper().replace(" ", "\n"), lambda rule: said.get(rule, "")


def _reasons(run: RehearsedRun) -> Iterator[tuple[str, str, str]]:
    """Badness, rules and reason: of those that stop it and those that cannot say; where none stops it, of all.

    Rules that say the same thing for the same reason share a line.
    """
    is_stopped = any(one.answer == "stopped" for one in run.rules)
    shared: dict[tuple[str, str], list[str]] = {}
    for one in sorted(run.rules, key=lambda one: ORDER.index(one.answer)):
        if one.answer != "not_stopped" or not is_stopped:
            shared.setdefault((one.answer, one.reason), []).append(one.rule)
    for number, ((answer, reason), rules) in enumerate(shared.items()):
        yield ("" if number else _badness(run)), ", ".join(rules), f"{SAID[answer]}: {reason}"


def lasting(seconds: float | None) -> str:
    """A span of time in two units at most: '4 min 10 s', '2 d 3 h'; '' for None."""
    if seconds is None:
        return ""
    left, said = round(seconds), list[str]()
    for unit_s, name in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, unit_s)
        if count or (name == "s" and not said):
            said.append(f"{count} {name}")
    return " ".join(said[:2])


def _head(text: str) -> None:
    console().print(f"\n{text}", style="bold", markup=False)


def _of(run: RehearsedRun, count: int) -> str:
    return f"{count} of {run.devices}"


def _verdict(run: RehearsedRun) -> str:
    if run.halted_s is not None:
        return f"stopped after {lasting(run.halted_s)}"
    return f"NOT stopped: {run.state} after {lasting(run.duration_s)}"


def _badness(run: RehearsedRun) -> str:
    return (run.badness or "").replace("_", " ")


def _failed(wave: RehearsedWave) -> Sequence[str]:
    return [f"{one.metric} {one.state}" for one in wave.verdicts if one.state != "passed"]


FACTS: list[Column[RehearsalRecord]] = [
    ("release", lambda one: one.release),
    ("group", lambda one: f"{one.group}, {counted(one.devices, 'device')} that it fits"),
    ("played", lambda one: f"{counted(one.simulated, 'device')}, seed {one.seed}"),
]

RUN: list[Column[RehearsedRun]] = [
    ("ends", lambda one: f"{one.state} after {lasting(one.duration_s)}: {one.reason}"),
    ("devices", lambda one: f"{_of(one, one.committed)} committed, {one.broken} failed, {one.away} away"),
    ("bytes", lambda one: f"{size(one.bytes)} over the lines of {counted(one.sites_count, 'site')}"),
]

WAVES: list[Column[RehearsedWave]] = [
    ("WAVE", lambda one: str(one.number)),
    ("SIZE>", lambda one: str(one.size)),
    ("STATE", lambda one: one.state),
    ("BEGINS>", lambda one: lasting(one.started_s)),
    ("ENDS>", lambda one: lasting(one.ended_s)),
    ("GATE", lambda one: "; ".join([one.reason, *_failed(one)])),
]

SITE_COLUMNS: list[Column[RehearsedSite]] = [
    ("SITE", lambda one: one.name or "(no label)"),
    ("DEVICES>", lambda one: str(one.devices)),
    ("BYTES>", lambda one: size(one.bytes)),
    ("LINE BUSY>", lambda one: lasting(one.busy_s)),
    ("LAST ANSWER>", lambda one: lasting(one.ended_s) or "none"),
]

BAD: list[Column[RehearsedRun]] = [
    ("BADNESS", _badness),
    ("THE GATES", _verdict),
    ("TOUCHED>", lambda one: _of(one, one.touched)),
    ("WHY", lambda one: one.reason if one.halted_s is not None else one.effect or one.reason),
]

REASONS: list[Column[tuple[str, str, str]]] = [
    ("BADNESS", lambda one: one[0]),
    ("RULES", lambda one: one[1]),
    ("WHY", lambda one: one[2]),
]
