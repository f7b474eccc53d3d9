"""An install from a bundle: what a device believes of it, and the machine's own way to the end, without any network.

A bundle serves two needs. A device that has begun an install by an order of its hub takes the blobs from the stick.
And a device that no network reaches takes the bundle's own order, which is signed by the director for it alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edgewright.agent import states, trust
from edgewright.agent.bundle.folder import BundleFolder, NoBundle
from edgewright.agent.disk import FileStore, Floors, Identity, Settings
from edgewright.agent.link import SignedTime, refresh
from edgewright.agent.machine import Equipment, Machine
from edgewright.agent.system import logs
from edgewright.contract.errors import Conflict, HostileInput
from edgewright.contract.manifest import MAX_MANIFEST_BYTES
from edgewright.contract.order import Install
from edgewright.contract.report import Outcome
from edgewright.contract.trusted import TrustedSet, role_of

PAUSE_S = 0.05


class InstallUnderWay(Conflict):
    """The agent is in the middle of another install of this model."""

    code = "install_under_way"
    hint = "Start the agent and let it end, then import the bundle again."


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one install. `outcome` is empty where nothing was to be done: it had ended before."""

    model: str
    counter: int
    outcome: str
    reason: str = ""


class Carry:
    """One import. `wait` pauses for so many seconds and says whether to stop."""

    def __init__(
        self,
        bundle: BundleFolder,
        root: Path,
        identity: Identity,
        settings: Settings,
        time: SignedTime,
        equipment: Equipment,
        wait: Callable[[float], bool],
    ) -> None:
        self._bundle = bundle
        self._root = root
        self._identity = identity
        self._settings = settings
        self._time = time
        self._equipment = equipment
        self._wait = wait
        self._repository = refresh.Repository(FileStore(root / "tuf"), bundle.tuf, Floors(root))

    def run(self) -> list[Ending]:
        """Do everything that the bundle holds for this device; raises NoBundle, HostileInput, InstallUnderWay."""
        begun = [machine for machine in self._machines() if self._feeds(machine)]
        endings = [self._finish(machine) for machine in begun]
        envelope = self._bundle.order(self._identity.device)
        if envelope is None and not begun:
            raise NoBundle(f"the bundle has nothing for this device, {self._identity.device}", field="bundle")
        if envelope is not None:
            endings += self._follow(envelope)
        return endings

    def _follow(self, envelope: bytes) -> list[Ending]:
        """1. metadata, as of the moment that the order claims; 2. the order itself; 3. manifest by manifest."""
        now = self._time.now()
        claimed = trust.claimed_moment(envelope)
        moment = datetime.fromtimestamp(min(claimed, now), UTC)
        trusted = refresh.refresh(self._repository, moment)
        skew_s = self._settings.skew_s if self._settings.skew_s is not None else math.inf
        order = trust.read_bundle_order(
            envelope, trusted, device=self._identity.device, after=self._time.last_signed, now=now, skew_s=skew_s
        )
        self._time.learn(min(order.issued_at, now) if self._settings.skew_s is not None else order.issued_at)
        return [self._install(install, trusted, moment) for install in order.installs]

    def _install(self, install: Install, trusted: TrustedSet, moment: datetime) -> Ending:
        machine = Machine(install.model, self._equipment)
        machine.supersede(install.counter)
        while not machine.is_idle and machine.record.step is states.Step.REPORT:
            machine.step()
        if not machine.is_idle:
            raise InstallUnderWay(f"another install of {install.model} is under way", field="bundle")
        if not machine.wants(install):
            return Ending(model=install.model, counter=install.counter, outcome="")
        trusted = refresh.load_role(self._repository, trusted, role_of(install.model), moment)
        length, sha256 = trusted.target(install.target_path)
        if sha256 != install.manifest_sha256 or length > MAX_MANIFEST_BYTES:
            raise HostileInput("the order names a manifest that no release role vouches for", field="manifest_sha256")
        data = self._bundle.blob(sha256, length)
        machine.offer(install, trust.read_manifest(data, install, trusted), data)
        return self._finish(machine)

    def _finish(self, machine: Machine) -> Ending:
        """Take the machine's steps until the install has ended, or until asked to stop: then it goes on later."""
        began = states.candidate_of(machine.record)
        install, reason = began.install, began.reason
        while not machine.is_idle:
            is_busy = machine.step()
            candidate = machine.record.candidate
            reason = candidate.reason if candidate else reason
            if self._wait(0.0 if is_busy else PAUSE_S):
                machine.stop()
                return Ending(model=machine.model, counter=install.counter, outcome="", reason="it was interrupted")
        outcome = next((one for one in Outcome if _id(install, one) in machine.record.ended), "")
        logs.say("bundle install ended", model=machine.model, counter=install.counter, outcome=outcome)
        return Ending(model=machine.model, counter=install.counter, outcome=outcome, reason=reason)

    def _machines(self) -> list[Machine]:
        folder = self._root / "models"
        names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        return [Machine(name, self._equipment) for name in names]

    def _feeds(self, machine: Machine) -> bool:
        """Whether an install that was ordered before may go on with the bundle's blobs."""
        if machine.record.step is not states.Step.FETCH:
            return False
        return self._bundle.has(states.candidate_of(machine.record).install.manifest_sha256)


def _id(install: Install, outcome: Outcome) -> str:
    return states.report_id(install.deployment, install.counter, outcome)
