"""The device's clock, against what its hub has signed."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.agent.doctor.finding import Case, Finding, ok, warn
from edgewright.agent.link import device_time, read_clock
from edgewright.agent.status import span

SYNCHRONISE = (
    "timedatectl set-ntp true; without a clock chip, set skew_s to null in agent.json: then the hub's time counts."
)


def against_the_hub(case: Case) -> Iterator[Finding]:
    """The clock is near the hub's."""
    signed, shows, noted = device_time(case.root), case.clock(), read_clock(case.root)
    allowed_s = case.settings.skew_s
    if not signed.has_clock() or shows < signed.last_signed - 60.0:
        what = f"the clock is {span(signed.now() - shows)} behind what has been signed: the device counts on from that"
        yield warn("clock", what, SYNCHRONISE)
    elif noted is not None and allowed_s is not None and abs(noted.ahead_s) > allowed_s:
        way = "ahead of" if noted.ahead_s > 0 else "behind"
        what = (
            f"at the last talk the clock was {span(abs(noted.ahead_s))} {way} the hub's; {span(allowed_s)} are allowed"
        )
        yield warn("clock", what, SYNCHRONISE)
    elif noted is not None:
        yield ok("clock", f"it was {span(abs(noted.ahead_s))} off the hub's at the last talk")
    else:
        yield ok("clock", "it shows nothing that cannot be")
