"""`python -m edgewright.sim.load`: put simulated devices on a hub, and tell how it answers them."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import msgspec

from edgewright.contract.errors import EdgewrightError, UsageError
from edgewright.sim.device.conduct import Conduct
from edgewright.sim.load.crowd import Crowd, Outcome, Plan, allow_files
from edgewright.sim.world.hub import scratch

EPILOG = """\
Each device is the agent's real delivery: it enrols with the claim, checks in,
verifies, downloads and installs what it is told, and reports. It infers nothing.
Devices stay enrolled afterwards: use a hub that was made for the purpose, or a
claim whose label keeps them apart, and retire them. One process plays thousands
of devices; for more, start it several times with --name.

CONDUCT is one of: {conducts}.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code is 0, or the error's (see contract/errors.py)."""
    asked = _parser().parse_args(arguments)
    try:
        outcome = _play(_plan(asked), is_quiet=asked.json)
    except EdgewrightError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"help: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    sys.stdout.write((msgspec.json.encode(outcome).decode() if asked.json else _told(outcome)) + "\n")
    return 0


def _play(plan: Plan, *, is_quiet: bool) -> Outcome:
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    allow_files(plan.devices)
    with scratch("load") as folder:
        return Crowd(plan, Path(folder)).run(stop, lambda outcome: None if is_quiet else _tell(outcome))


def _plan(asked: argparse.Namespace) -> Plan:
    if asked.devices < 1 or asked.minutes <= 0 or asked.poll_s <= 0:
        raise UsageError("devices, minutes and seconds are more than 0", field="devices")
    try:
        facts = msgspec.json.decode(asked.facts, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise UsageError(f"--facts is no JSON object: {error}", field="facts") from error
    seconds = 60.0 * asked.minutes
    return Plan(
        hub=asked.hub.rstrip("/"),
        claim=asked.claim,
        devices=asked.devices,
        seconds=seconds,
        arrive_s=min(asked.arrive_s, seconds / 2),
        poll_s=asked.poll_s,
        facts=facts,
        conducts=dict(map(_conduct, asked.conduct)),
        name=asked.name,
    )


def _conduct(text: str) -> tuple[tuple[str, int], Conduct]:
    release, _, word = text.partition("=")
    model, _, counter = release.rpartition("/")
    known = {conduct.name.lower(): conduct for conduct in Conduct}
    if not model or not counter.isdecimal() or word not in known:
        raise UsageError(f"--conduct '{text}' is not MODEL/NUMBER=CONDUCT", field="conduct", hint=_conducts())
    return (model, int(counter)), known[word]


def _conducts() -> str:
    return ", ".join(conduct.name.lower() for conduct in Conduct)


def _tell(outcome: Outcome) -> None:
    sys.stderr.write(
        f"{outcome.seconds:5.0f} s  {outcome.enrolled} of {outcome.devices} devices enrolled  "
        f"{outcome.check_ins_s:.1f} check-ins/s  {sum(outcome.troubles.values())} troubles\n"
    )


def _told(outcome: Outcome) -> str:
    lines = [
        f"{outcome.enrolled} of {outcome.devices} devices enrolled; "
        f"{outcome.check_ins_s:.1f} check-ins a second for {outcome.seconds:.0f} s",
        "",
        f"{'request':<12}{'answers':>9}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}",
    ]
    lines += [
        f"{door:<12}{of.count:>9}{of.p50_ms:>9.1f}{of.p99_ms:>9.1f}{of.max_ms:>9.1f}"
        for door, of in outcome.latencies.items()
    ]
    lines += ["", *(f"{count:>9}  {what}" for what, count in outcome.answers.items())]
    lines += ["", *(f"{count:>9}  run {release}" for release, count in outcome.running.items())] * bool(outcome.running)
    lines += [f"{count:>9}  {trouble}" for trouble, count in outcome.troubles.items()]
    if outcome.late:
        lines.append(f"{outcome.late} of {outcome.turns} turns came late: this process has too many devices")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edgewright.sim.load",
        description="Put simulated devices on a hub that runs, in real time.",
        epilog=EPILOG.format(conducts=_conducts()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("hub", metavar="HUB", help="its address, as http://127.0.0.1:8700")
    parser.add_argument("--claim", required=True, metavar="TOKEN", help="a claim token for as many devices")
    parser.add_argument("--devices", type=int, default=100, metavar="COUNT", help="how many (100)")
    parser.add_argument("--minutes", type=float, default=5.0, metavar="N", help="for how long (5)")
    parser.add_argument("--arrive-s", type=float, default=30.0, metavar="S", help="all have arrived after (30)")
    parser.add_argument("--poll-s", type=float, default=60.0, metavar="S", help="time between check-ins (60)")
    parser.add_argument("--facts", default="{}", metavar="JSON", help="""of the machines, as {"arch":"aarch64"}""")
    parser.add_argument("--name", default="load", help="their names begin with it (load)")
    parser.add_argument(
        "--conduct",
        action="append",
        default=[],
        metavar="MODEL/NUMBER=CONDUCT",
        help="how a release behaves; good if not said",
    )
    parser.add_argument("--json", action="store_true", help="the outcome for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
