"""What the attacks share: a release that the device takes, and the question whether it still obeys."""

from __future__ import annotations

from device import serving_counter
from scripted_hub import ScriptedHub
from wired import Agent

from edgewright.agent.disk import policy
from edgewright.contract.order import Collect, Install
from edgewright.contract.report import InstallReport


def release(hub: ScriptedHub, agent: Agent, counter: int, **changes) -> Install:
    """Publish a release and let the device take it."""
    install = hub.release(counter, **changes)
    agent.work(for_s=60.0)
    assert serving_counter(agent.root) == counter
    return install


def obeys(agent: Agent, hub: ScriptedHub) -> bool:
    """Whether the device, which runs a release, carries out what the hub orders now."""
    request = f"r{len(hub.check_ins)}"
    hub.collects = (Collect(request=request, model="digits", budget=1),)
    agent.work(for_s=60.0)
    told = policy.decode((agent.root / "models" / "digits" / policy.NAME).read_bytes())
    return told.sampling is not None and told.sampling.request == request


def reports(hub: ScriptedHub) -> list[InstallReport]:
    """How installs ended, by what the device reported."""
    return [record for record in hub.records if isinstance(record, InstallReport)]


def lose_metadata(agent: Agent) -> None:
    """What a cut of the power may do on a bad day: all that was verified is gone."""
    for path in (agent.root / "tuf").iterdir():
        path.unlink()
