"""Planning on what this hub knows: loads what a plan needs, and asks the pure rules."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from edgewright.contract.api import FitRecord, MisfitPage, ReleaseRecord, RolloutDraft, RolloutPlan, VariantRecord
from edgewright.contract.report import Pace
from edgewright.hub.db import Database
from edgewright.hub.fleet import Fleet
from edgewright.hub.packaging import MAX_FETCHES
from edgewright.hub.rollout import table
from edgewright.hub.rollout.held import all_held, forced
from edgewright.hub.rollout.model import ACTIVE, LIVE, DeploymentState, RolloutOverlaps, check_ready, parse_release
from edgewright.hub.rollout.packages import Packages, Ways
from edgewright.hub.rollout.planning import (
    Fits,
    MeasuredOf,
    Offer,
    Past,
    Plan,
    check_draft,
    forecast,
    make_plan,
    page_misfits,
    selector_models,
    who_fits,
    who_fits_nothing,
)


@dataclass(frozen=True)
class Figures:
    """Who knows what variants cost: rooms above and below this one; nobody, where nothing else is said.

    `by_hardware` tells what devices measured of model files, by their digests and by hardware class; `variants` lists
    the variants of a version.
    """

    by_hardware: Callable[[Sequence[str]], MeasuredOf] = lambda sha256s: {}
    variants: Callable[[str, int], Sequence[VariantRecord]] = lambda model, version: ()


@dataclass(frozen=True)
class Planned:
    """A plan and its release."""

    release: ReleaseRecord
    plan: Plan

    def needs(self) -> Counter[tuple[str, str]]:
        """How many devices of the plan run which package and shall get which other one, by digests of manifests."""
        needs: Counter[tuple[str, str]] = Counter()
        for device, offer in self.plan.offers.items():
            if base := self.plan.devices[device].running(self.release.model):
                needs[base, offer.package.manifest_sha256] += 1
        return needs


class Planner:
    """Plans rollouts; it changes nothing."""

    def __init__(
        self, db: Database, clock: Callable[[], float], fleet: Fleet, packages: Packages, ways: Ways, figures: Figures
    ) -> None:
        self._db = db
        self._clock = clock
        self._fleet = fleet
        self._packages = packages
        self._ways = ways
        self._figures = figures

    def plan(self, draft: RolloutDraft) -> Planned:
        """Which device gets what in which wave.

        Raises InvalidInput, EmptyGroup, NotFound, ReleaseNotReady, ReleaseIsBad, NoDeviceFits.
        """
        now = self._clock()
        check_draft(draft, now)
        release, fits = self.packages(*parse_release(draft.release))
        check_ready(release)
        devices = self._fleet.facts(draft.group, {release.model, *fits.needed, *selector_models(draft.waves)})
        return Planned(release, make_plan(draft, release, fits, devices, self._past(release), now))

    def forecast(self, draft: RolloutDraft) -> RolloutPlan:
        """What starting a rollout would mean, and what speaks against it.

        Raises what `plan` raises, and RolloutOverlaps.
        """
        planned = self.plan(draft)
        with self._db.read() as connection:
            self.check_overlap(connection, planned)
        return forecast(draft, planned.release, planned.plan, self._way, self._clock())

    def fit(self, model: str, counter: int, group: str = "") -> FitRecord:
        """Which devices of a group, or of all, a release fits, whatever its state; raises NotFound."""
        release, fits = self.packages(model, counter)
        devices = self._fleet.facts(group, {model, *fits.needed})
        variants = {one.target: one for one in self._figures.variants(model, release.version)}
        return who_fits(release, group, fits, devices, variants)

    def left_out(self, draft: RolloutDraft, *, after: str = "", limit: int = 200) -> MisfitPage:
        """Some of the devices of the group that would get nothing, by id, and why; raises what `plan` raises."""
        plan = self.plan(draft).plan
        return page_misfits(plan.refused, {id: one.name for id, one in plan.devices.items()}, after, limit)

    def misfits(self, model: str, counter: int, group: str = "", *, after: str = "", limit: int = 200) -> MisfitPage:
        """Some of the devices of a group, or of all, that a release does not fit, by id, and why; raises NotFound."""
        _, fits = self.packages(model, counter)
        devices = self._fleet.facts(group, {model, *fits.needed})
        return page_misfits(who_fits_nothing(fits, devices), {one.id: one.name for one in devices}, after, limit)

    def packages(self, model: str, counter: int) -> tuple[ReleaseRecord, Fits]:
        """A release, and what chooses among its packages by what devices tell and measured; raises NotFound."""
        release = self._packages.release(model, counter)
        offers = [Offer(package, self._packages.manifest(package.manifest_sha256)) for package in release.packages]
        return release, Fits(
            offers, self._figures.by_hardware([sha256 for offer in offers if (sha256 := offer.model_sha256)])
        )

    def check_overlap(self, connection: sa.Connection, planned: Planned) -> None:
        """Raise RolloutOverlaps where a rollout of the same model still has some of the devices."""
        of, rollouts = table.deployment.c, table.rollout
        model, wanted = planned.release.model, planned.plan.offers
        active = sa.select(rollouts.c.id).where(rollouts.c.model == model, rollouts.c.state.in_(ACTIVE))
        active = active.where(rollouts.c.group != "")  # a device's own does not hold up the fleet
        for id in connection.scalars(active.order_by(rollouts.c.number)).all():
            query = sa.select(of.device).where(of.rollout == id, of.wave > 0, of.state.in_(LIVE))
            if busy := sum(device in wanted for device in connection.scalars(query)):
                raise RolloutOverlaps(
                    f"rollout {id} of '{model}' still has {busy} of these {len(wanted)} devices", field="group"
                )

    def _way(self, wanted: str, held: tuple[str, ...]) -> tuple[int, int]:
        plan = self._ways.plan(wanted, frozenset(held), Pace(), MAX_FETCHES)
        return plan.sent_bytes, plan.full_bytes

    def _past(self, release: ReleaseRecord) -> Past:
        of, rolled_back = table.deployment.c, defaultdict[str, set[str]](set)
        query = sa.select(of.device, of.manifest_sha256).where(
            of.model == release.model,
            of.state == DeploymentState.ROLLED_BACK,
            of.manifest_sha256.in_([package.manifest_sha256 for package in release.packages]),
        )
        with self._db.read() as connection:
            forgiven = forced(connection, release.model, release.counter)
            for device, sha256 in connection.execute(query):
                if device not in forgiven:
                    rolled_back[device].add(sha256)
            return Past(rolled_back, all_held(connection, release.model, release.counter))
