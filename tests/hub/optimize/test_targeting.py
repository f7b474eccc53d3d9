"""Targets of one's own: kept, found, refused where they are wrong, and not removed while somebody uses them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

import edgewright.hub.optimize.table
import edgewright.hub.optimize.targeting.table
import edgewright.hub.registry.table  # noqa: F401
from edgewright.contract.api import TargetDraft
from edgewright.contract.errors import InvalidInput, Refused
from edgewright.hub.optimize.model import UnknownTarget
from edgewright.hub.optimize.targeting import TargetExists, Targets, TargetUsed
from edgewright.hub.optimize.targets import targets as of_library
from edgewright.hub.registry.table import model, variant, version

MINE = 'id = "my-pi"\ntitle = "My board"\ninherits = "raspberry-pi-5"\nram_bytes = 3_000_000_000\n'


@pytest.fixture
def targets(db, audit, clock):
    return Targets(db, audit, clock)


def draft(toml: str) -> TargetDraft:
    return TargetDraft(toml=toml, file="mine.toml")


def test_a_target_of_one_s_own_is_found_beside_the_library_s(targets, ana):
    added = targets.add(ana, draft(MINE))

    assert targets.get("my-pi") == added.profile
    assert (added.added_by, added.bases[0], added.told_by["isa"]) == ("ana", "raspberry-pi-5", "raspberry-pi-5")
    assert set(targets.known()) == {*of_library(), "my-pi"}
    assert targets.record("my-pi").used_by == ()


def test_who_adds_and_removes_is_in_the_audit_log(targets, audit, ana):
    targets.add(ana, draft(MINE))
    targets.remove(ana, "my-pi")

    assert [(entry.actor, entry.action) for entry in audit.entries()] == [
        ("ana", "target.add"),
        ("ana", "target.remove"),
    ]
    with pytest.raises(UnknownTarget):
        targets.get("my-pi")


def test_a_rehearsal_keeps_nothing(targets, ana):
    targets.add(ana, draft(MINE), dry_run=True)
    assert "my-pi" not in targets.known()

    targets.add(ana, draft(MINE))
    targets.remove(ana, "my-pi", dry_run=True)
    assert "my-pi" in targets.known()


def test_names_that_are_taken_are_refused(targets, ana):
    targets.add(ana, draft(MINE))

    for taken in ("my-pi", "cpu-fp32", "litert"):
        with pytest.raises(TargetExists):
            targets.add(ana, draft(MINE.replace("my-pi", taken, 1)))


@pytest.mark.parametrize(
    ("toml", "field"),
    [
        (MINE.replace("raspberry-pi-5", "raspberry-pi-9"), "inherits"),
        (MINE + "abstract = true", "abstract"),
        (MINE.replace("my-pi", "m" * 61), "id"),
        (MINE.replace("my-pi", "a/b"), "id"),
        (MINE + 'isa = ["vnni"]', "isa"),
        ("[" * 5000, "toml"),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_field(targets, ana, toml, field):
    with pytest.raises(InvalidInput, match=r"^mine\.toml: ") as caught:
        targets.add(ana, draft(toml))

    assert caught.value.field == field


def test_the_library_is_not_removed(targets, ana):
    with pytest.raises(Refused, match="of the library"):
        targets.remove(ana, "cpu-fp32")


def test_a_base_alone_is_no_target(targets):
    with pytest.raises(UnknownTarget) as caught:
        targets.get("cortex-m4")

    assert "nrf52840" in caught.value.hint


def test_a_target_that_another_inherits_from_stays(targets, ana):
    targets.add(ana, draft(MINE))
    targets.add(ana, draft('id = "heir"\ntitle = "Heir"\ninherits = "my-pi"'))

    with pytest.raises(TargetUsed, match="the target heir"):
        targets.remove(ana, "my-pi")

    assert targets.get("heir").ram_bytes == 3_000_000_000


def test_a_target_that_a_variant_was_made_for_stays(targets, db, ana):
    targets.add(ana, draft(MINE))
    with db.write() as connection:
        connection.execute(sa.insert(model).values(name="m", owner="ana", task="", created_at=0.0))
        connection.execute(sa.insert(version).values(model="m", version=1, source_sha256="", record={}, created_at=0.0))
        connection.execute(sa.insert(variant).values(model="m", version=1, target="my-pi", sha256="", record={}))

    with pytest.raises(TargetUsed, match="m@1"):
        targets.remove(ana, "my-pi")
    assert targets.record("my-pi").used_by == ("m@1",)
