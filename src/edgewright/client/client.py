"""The client of one hub, its verbs grouped by what they act on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType

from edgewright.client.credentials import current
from edgewright.client.resources import (
    AlertRoutes,
    Alerts,
    Approvals,
    Audit,
    Benches,
    Blobs,
    Bundles,
    Content,
    DataPolicies,
    Devices,
    Drift,
    Groups,
    Keys,
    Labels,
    Lake,
    Models,
    Pipelines,
    Policies,
    Rehearsals,
    Releases,
    Rollouts,
    Runs,
    Snapshots,
    Targets,
    Tasks,
    Triggers,
    Users,
    Workers,
)
from edgewright.client.transport import Transport
from edgewright.client.watching import Pace
from edgewright.contract.api import (
    ChoiceDraft,
    DriftStatus,
    EvaluationDraft,
    LabelDraft,
    LabelReply,
    LoginDraft,
    LoginReply,
    Overview,
    RunRecord,
    SampleRecord,
    SegmentRecord,
    StudyDraft,
    StudyRecord,
    TrainDraft,
    UsageRecord,
    UserRecord,
    VariantRecord,
)


class Client:
    """Everything a person can do at a hub.

    Every method that changes something takes `dry_run=True`, which checks and changes nothing. All raise
    `contract.errors.Told` with the hub's own words, and `Unreachable` where nothing answers at `url`.
    """

    def __init__(self, url: str, token: str = "", *, pace: Pace | None = None) -> None:
        pace = pace or Pace()
        self._transport = Transport(url, token)
        self.url = self._transport.url
        self.blobs = Blobs(self._transport)
        self.snapshots = Snapshots(self._transport, self.blobs)
        self.models = Models(self._transport, self.blobs)
        self.runs = Runs(self._transport, pace)
        self.pipelines = Pipelines(self._transport, self.blobs)
        self.targets = Targets(self._transport)
        self.approvals = Approvals(self._transport)
        self.policies = Policies(self._transport)
        self.triggers = Triggers(self._transport)
        self.content = Content(self._transport)
        self.releases = Releases(self._transport, self.content)
        self.devices = Devices(self._transport)
        self.groups = Groups(self._transport)
        self.rollouts = Rollouts(self._transport, pace)
        self.rehearsals = Rehearsals(self._transport)
        self.bundles = Bundles(self._transport)
        self.benches = Benches(self._transport, pace)
        self.keys = Keys(self._transport)
        self.workers = Workers(self._transport)
        self.tasks = Tasks(self._transport)
        self.users = Users(self._transport)
        self.audit = Audit(self._transport)
        self.labels = Labels(self._transport)
        self.data_policies = DataPolicies(self._transport)
        self.lake = Lake(self._transport)
        self._drift = Drift(self._transport)
        self.alerts = Alerts(self._transport)
        self.alert_routes = AlertRoutes(self._transport)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Client:
        """The client of the login in use: see `credentials.current`."""
        login = current(environment)
        return cls(login.hub, login.token)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()

    def health(self) -> dict[str, str]:
        """The hub's `status` and `version`; needs no login."""
        return self._transport.health()

    def login(self, user: str, password: str) -> LoginReply:
        """Log in, and use the token from now on."""
        reply = self._transport.post("login", body=LoginDraft(user=user, password=password), into=LoginReply)
        self._transport.use_token(reply.token)
        return reply

    def me(self) -> UserRecord:
        """Whom the hub takes you for."""
        return self._transport.get("me", into=UserRecord)

    def optimize(
        self, model: str, version: int, draft: StudyDraft | tuple[str, ...], *, dry_run: bool = False
    ) -> tuple[RunRecord, ...]:
        """Start a study for each target, or for each target of a draft: one run each. A dry run's `log` is the plan."""
        if not isinstance(draft, StudyDraft):
            draft = StudyDraft(targets=draft)
        parts = ("models", model, "versions", version, "optimize")
        return self._transport.post(*parts, body=draft, into=tuple[RunRecord, ...], dry_run=dry_run)

    def evaluate(self, draft: EvaluationDraft, *, dry_run: bool = False) -> RunRecord:
        """Judge a version against the champion by its project's rules: a run; see `models.evaluations`."""
        return self._transport.post("evaluations", body=draft, into=RunRecord, dry_run=dry_run)

    def studies(self, model: str, version: int) -> tuple[StudyRecord, ...]:
        """A version's studies on all targets, the newest first."""
        return self._transport.get("models", model, "versions", version, "studies", into=tuple[StudyRecord, ...])

    def study(self, model: str, version: int, target: str) -> StudyRecord:
        """A version's newest study on a target, with every trial."""
        return self._transport.get("models", model, "versions", version, "studies", target, into=StudyRecord)

    def choose(
        self, model: str, version: int, target: str, trial: str, *, why: str = "", dry_run: bool = False
    ) -> VariantRecord:
        """Make another trial of the newest study's front the version's variant for that target."""
        parts = ("models", model, "versions", version, "studies", target, "choose")
        draft = ChoiceDraft(trial=trial, why=why)
        return self._transport.post(*parts, body=draft, into=VariantRecord, dry_run=dry_run)

    def train(self, draft: TrainDraft, *, dry_run: bool = False) -> RunRecord:
        """Start to train a model by its stored pipeline; the run's `result` names the new version."""
        return self._transport.post("train", body=draft, into=RunRecord, dry_run=dry_run)

    def drift(self, model: str = "") -> tuple[DriftStatus, ...]:
        """How far each version in the fleet has drifted from its reference."""
        return self._drift.status(model)

    def segments(self, model: str, version: int) -> tuple[SegmentRecord, ...]:
        """What each detector says of each segment of a version."""
        return self._drift.segments(model, version)

    def usage(self, model: str = "") -> tuple[UsageRecord, ...]:
        """What each version did on each device."""
        return self._drift.usage(model)

    def samples(self, model: str = "", unlabelled: bool | None = None, request: str = "") -> tuple[SampleRecord, ...]:
        """The captured samples, of one collection where `request` names it."""
        return self.labels.samples(model, unlabelled, request)

    def label(self, labels: Sequence[LabelDraft], *, dry_run: bool = False) -> LabelReply:
        """Say what samples show."""
        return self.labels.put(labels, dry_run=dry_run)

    def overview(self) -> Overview:
        """Everything that the dashboard shows."""
        return self._transport.get("overview", into=Overview)
