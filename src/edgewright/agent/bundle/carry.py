"""An install from a bundle: what a device believes of it, and the machine's own way to the end, without any network.

A bundle serves two needs. A device that has begun an install by an order of its hub takes the blobs from the stick.
And a device that no network reaches takes the bundle's own order, which is signed by the director for it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from edgewright.agent import states
from edgewright.agent.bundle.belief import Believed, Reader
from edgewright.agent.bundle.folder import NoBundle
from edgewright.agent.machine import Machine
from edgewright.agent.system import logs
from edgewright.contract.errors import Conflict
from edgewright.contract.order import Install
from edgewright.contract.report import Outcome

PAUSE_S = 0.05


class InstallUnderWay(Conflict):
    """The agent is in the middle of another install of this model."""

    code = "install_under_way"
    hint = "Let the agent bring it to its end, then import the bundle again."


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one install. `outcome` is empty where nothing was to be done: it had ended before."""

    model: str
    counter: int
    outcome: str
    reason: str = ""


class Carry:
    """One import. `machine_of` gives the one machine of a model; `models` are those that are on this device.

    `wait` pauses for so many seconds and says whether to stop.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        machine_of: Callable[[str], Machine],
        models: Sequence[str],
        wait: Callable[[float], bool],
    ) -> None:
        self._reader = reader
        self._machine_of = machine_of
        self._models = models
        self._wait = wait

    def run(self) -> list[Ending]:
        """Do everything that the bundle holds for this device; raises NoBundle, HostileInput, InstallUnderWay."""
        begun = [machine for machine in map(self._machine_of, self._models) if self._feeds(machine)]
        endings = [self._finish(machine) for machine in begun]
        device = self._reader.identity.device
        envelope = self._reader.bundle.order(device)
        if envelope is None and not begun:
            raise NoBundle(f"the bundle has nothing for this device, {device}", field="bundle")
        if envelope is not None:
            endings += self._follow(envelope)
        return endings

    def _follow(self, envelope: bytes) -> list[Ending]:
        believed = self._reader.order(envelope)
        self._reader.time.learn(believed.signed_at)
        return [self._install(install, believed) for install in believed.order.installs]

    def _install(self, install: Install, believed: Believed) -> Ending:
        machine = self._machine_of(install.model)
        machine.heed(install)
        while not machine.is_idle and machine.record.step in (states.Step.ROLL_BACK, states.Step.REPORT):
            machine.step()
        if _is_about(machine, install):
            return self._finish(machine)
        if not machine.is_idle:
            raise InstallUnderWay(f"another install of {install.model} is under way", field="bundle")
        if not machine.wants(install):
            return Ending(model=install.model, counter=install.counter, outcome="")
        machine.offer(install, *self._reader.manifest(install, believed))
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

    def _feeds(self, machine: Machine) -> bool:
        """Whether an install that was ordered before may go on with the bundle's blobs."""
        if machine.record.step is not states.Step.FETCH:
            return False
        return self._reader.bundle.has(states.candidate_of(machine.record).install.manifest_sha256)


def _is_about(machine: Machine, install: Install) -> bool:
    candidate = machine.record.candidate
    return candidate is not None and candidate.install.deployment == install.deployment


def _id(install: Install, outcome: Outcome) -> str:
    return states.report_id(install.deployment, install.counter, outcome)
