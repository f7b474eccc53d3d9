"""Whatever is done to a signed object: it says what its signers said, or it is refused, and refused in one way."""

from __future__ import annotations

import pytest

from hostile.campaign import SEED, campaign, scaled, tell
from hostile.signed import Signed, signed_objects

OBJECTS = signed_objects()
QUICK, LONG = 250, 20_000

every_object = pytest.mark.parametrize("signed", OBJECTS.values(), ids=OBJECTS)


@every_object
def test_no_mutant_is_accepted_and_none_raises_anything_else(signed):
    held(signed, SEED, scaled(QUICK))


@pytest.mark.slow
@every_object
def test_no_mutant_of_a_long_campaign_is_accepted(signed, capsys):
    tally = held(signed, SEED + 1, scaled(LONG))

    tell(capsys, signed.name, tally.seed, tally.counts)


def held(signed: Signed, seed: int, count: int):
    tally = campaign(signed, seed, count)

    assert tally.accepted[:1] == [], str(tally)
    assert tally.crashes[:1] == [], str(tally)
    assert sum(tally.counts.values()) == count
    return tally
