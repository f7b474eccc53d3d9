"""Alerts: what a detector found, how people deal with it, and where it is told."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from edgewright.contract.api.rollouts import Reason


class AlertKind(StrEnum):
    """What is wrong."""

    DATA_DRIFT = "data_drift"  # the model sees other inputs than in training
    EMBEDDING_DRIFT = "embedding_drift"  # its embeddings lie elsewhere
    LABEL_SHIFT = "label_shift"  # it answers other classes, or with other scores
    CONCEPT_DRIFT = "concept_drift"  # labels contradict its answers more often than before
    FEEDBACK = "feedback"  # people tap 'wrong!' more often
    ESTIMATED_ACCURACY = "estimated_accuracy"  # by its own scores it is right less often
    DATA_QUALITY = "data_quality"  # values are missing, out of range, stuck, or of the wrong shape
    LATENCY = "latency"
    RESOURCES = "resources"  # memory, CPU, temperature
    BIAS = "bias"  # it is worse for one group of people or places than for another
    ODD_DEVICE = "odd_device"  # one device changes as its cohort does not


class AlertLevel(StrEnum):
    """Of what it was found."""

    DEVICE = "device"
    COHORT = "cohort"
    VERSION = "version"
    FLEET = "fleet"


class AlertState(StrEnum):
    """How far people are with an alert."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"

    @property
    def is_live(self) -> bool:
        """Whether it still asks for something; a snoozed one does so later."""
        return self is not AlertState.RESOLVED


class Severity(StrEnum):
    """How much an alert asks for."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Rises with how bad it is."""
        return list(Severity).index(self)


class Verdict(StrEnum):
    """What people found an alert to be; '' where they did not say."""

    UNKNOWN = ""
    TRUE = "true"
    FALSE_ALARM = "false_alarm"


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's part in a drift: `effect` is the total variation from the reference, between 0 and 1."""

    feature: str
    effect: float
    evidence: float  # natural logarithm of the e-detector's value
    direction: str  # 'higher', 'lower', 'spread', 'missing', 'mix'


class AlertComment(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wrote beside an alert."""

    at: float
    author: str
    text: str


class DetectorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How often a detector is wrong: as it was designed, and as people found its alerts of one model to be.

    `designed_days` is the mean time between two false alarms of one segment in days; 0.0 where that is not known.
    """

    detector: str
    designed_days: float = 0.0
    true: int = 0
    false_alarms: int = 0
    unsaid: int = 0  # resolved without a word, or still live


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A finding with its explanation: what, since when, how much, which features, which devices, compared with what.

    `segment` is '' for a version, 'label=value' for a cohort, a device's id; for the whole fleet `version` is 0.
    `folded` are segments below whose own findings belong to this one.
    """

    id: str
    model: str
    version: int
    kind: AlertKind = AlertKind.DATA_DRIFT
    level: AlertLevel = AlertLevel.VERSION
    segment: str = ""
    severity: Severity = Severity.WARNING
    detector: str
    since: float
    raised_at: float
    rows: int  # rows seen from `since` to the alarm
    effect: float = 0.0  # of the feature that is furthest, in the detector's own measure
    measure: str = "total variation"
    features: tuple[FeatureDrift, ...]
    devices: tuple[str, ...]
    compared_with: str
    message: str
    folded: tuple[str, ...] = ()
    state: AlertState = AlertState.OPEN
    state_by: str = ""
    state_at: float = 0.0
    snoozed_until: float | None = None
    verdict: Verdict = Verdict.UNKNOWN
    comments: tuple[AlertComment, ...] = ()
    track: DetectorRecord | None = None


class AlertEdit(msgspec.Struct, frozen=True, kw_only=True):
    """What a person does with an alert; `until` is for a snooze, `verdict` for a resolution."""

    comment: Reason = ""
    until: float | None = None
    verdict: Verdict = Verdict.UNKNOWN


class RouteKind(StrEnum):
    """How alerts are told."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    ALERTMANAGER = "alertmanager"


class MailSecurity(StrEnum):
    """How the way to a mail server is kept private."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    """The mail server that a route hands its letters to (RFC 6409)."""

    host: str
    port: int = 587
    security: MailSecurity = MailSecurity.STARTTLS
    user: str = ""
    sender: str


class RouteDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Where alerts go, and which. An empty filter lets all pass.

    `url` is for webhooks and Alertmanagers, `mail` and `to` for e-mail. `secret` is a webhook's key (one is made where
    none is given), an Alertmanager's bearer token, or the mail server's password; the hub never shows it again.
    """

    name: str
    kind: RouteKind
    url: str = ""
    mail: MailServer | None = None
    to: tuple[str, ...] = ()
    secret: str = ""
    models: tuple[str, ...] = ()
    kinds: tuple[AlertKind, ...] = ()
    levels: tuple[AlertLevel, ...] = ()
    least_severity: Severity = Severity.INFO


class RouteRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A route without its secret. `waiting` tellings are still to be done; `problem` is why the last one failed.

    `new_secret` is a webhook's key that the hub has just made: it is shown this once.
    """

    name: str
    kind: RouteKind
    url: str = ""
    mail: MailServer | None = None
    to: tuple[str, ...] = ()
    has_secret: bool = False
    models: tuple[str, ...] = ()
    kinds: tuple[AlertKind, ...] = ()
    levels: tuple[AlertLevel, ...] = ()
    least_severity: Severity = Severity.INFO
    created_at: float = 0.0
    created_by: str = ""
    told: int = 0
    given_up: int = 0
    waiting: int = 0
    last_told_at: float | None = None
    problem: str = ""
    new_secret: str = ""


class RouteTest(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a telling that was tried out; `problem` is '' where it arrived."""

    route: str
    took_s: float
    problem: str = ""
