"""What pages of a browser show, as data: each struct is the JSON twin of one page."""

from __future__ import annotations

import msgspec

from edgewright.contract.api.alerts import AlertRecord
from edgewright.contract.api.fleet import DeviceRecord, GroupRecord, Membership, TimelineEntry
from edgewright.contract.api.overview import AuditEntry
from edgewright.contract.api.pipelines import StepRecord
from edgewright.contract.api.rollouts import DeploymentPage, Directive, RolloutRecord
from edgewright.contract.api.runs import RunRecord
from edgewright.contract.api.triggers import OccasionRecord, TriggerRecord


class DevicesPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some devices by name; `after` asks for the next ones, '' where there are none."""

    devices: tuple[DeviceRecord, ...]
    after: str = ""


class DevicePage(msgspec.Struct, frozen=True, kw_only=True):
    """One device, the groups that it is in, what people want of its models, and what happened, newest first."""

    device: DeviceRecord
    groups: tuple[str, ...]
    directives: tuple[Directive, ...]
    history: tuple[TimelineEntry, ...]


class GroupPage(msgspec.Struct, frozen=True, kw_only=True):
    """One group, some of its members, and, where somebody asked, whether a device is one and why."""

    group: GroupRecord
    members: DevicesPage
    asked: Membership | None = None


class RolloutPage(msgspec.Struct, frozen=True, kw_only=True):
    """One rollout without its record's deployments, a page of them, and who did what with it, newest first."""

    rollout: RolloutRecord
    deployments: DeploymentPage
    names: dict[str, str]  # of those devices, by id
    history: tuple[AuditEntry, ...]


class AlertPage(msgspec.Struct, frozen=True, kw_only=True):
    """One alert, its devices' names by id, and who did what with it, newest first."""

    alert: AlertRecord
    names: dict[str, str]
    history: tuple[AuditEntry, ...]


class TriggerPage(msgspec.Struct, frozen=True, kw_only=True):
    """One trigger, and what became of its occasions and why, newest first."""

    trigger: TriggerRecord
    history: tuple[OccasionRecord, ...]


class RunPage(msgspec.Struct, frozen=True, kw_only=True):
    """One run with its log, its steps where it is a pipeline's, and the run of the step that was at work last."""

    run: RunRecord
    steps: tuple[StepRecord, ...] = ()
    child: RunRecord | None = None
