"""What a route is, what it tells, and when it tries again. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from edgewright.contract import webhook
from edgewright.contract.api import AlertRecord, RouteDraft, RouteKind
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.hub.observe.alerts import Wanted

MAX_ROUTES = 50
MAX_WAITING = 1000
FIRST_WAIT_S, MOST_WAIT_S = 5.0, 600.0
GIVE_UP_S = 86400.0
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ADDRESS = re.compile(r"[^\s@<>,;\x00-\x1f\x7f]{1,64}@[A-Za-z0-9.-]{1,255}")
_HOST = re.compile(r"[A-Za-z0-9.:-]{1,255}")


class UnknownRoute(NotFound):
    code = "unknown_route"
    hint = "`edgewright alert route ls` lists the routes."


class News(StrEnum):
    """Why an alert is told."""

    RAISED = "raised"
    WORSE = "worse"
    SNOOZED = "snoozed"  # for those that hold what fires
    WOKEN = "woken"
    RESOLVED = "resolved"
    STILL = "still"  # all that are awake, for those that forget
    TEST = "test"


class NotTold(Exception):
    """A try that failed; the text has no secrets in it, and is shown to people."""


@dataclass(frozen=True)
class Telling:
    """What is told at once: `id` is the same at every try. Only STILL tells several alerts, or none."""

    id: str
    news: News
    alerts: tuple[AlertRecord, ...]
    at: float


def check(draft: RouteDraft) -> None:
    """Raise InvalidInput unless a route can be made of `draft`; what is wrong is never repeated from a secret."""
    if not _NAME.fullmatch(draft.name):
        raise InvalidInput("a route is named with a-z, 0-9 and -, at most 63", field="name")
    for names in (draft.models, draft.kinds, draft.levels, draft.to):
        if len(names) > 100:
            raise InvalidInput("a route has at most 100 of each", field="name")
    if draft.kind is RouteKind.EMAIL:
        _check_mail(draft)
    else:
        _check_url(draft.url)
    if draft.kind is RouteKind.WEBHOOK and draft.secret:
        webhook.key_of(draft.secret)
    if len(draft.secret) > 1000 or not draft.secret.isprintable():
        raise InvalidInput("a secret has at most 1,000 characters, in one line", field="secret")


def passes(draft: RouteDraft, alert: AlertRecord) -> bool:
    """Whether the route's filters let an alert pass."""
    wanted = Wanted(kinds=draft.kinds, levels=draft.levels, least_severity=draft.least_severity)
    return wanted.takes(alert) and (not draft.models or alert.model in draft.models)


def hears(draft: RouteDraft, news: News) -> bool:
    """Whether the route is told such news: a snooze is one to an Alertmanager alone, since people wanted silence."""
    return news is not News.SNOOZED or draft.kind is RouteKind.ALERTMANAGER


def passing(draft: RouteDraft, alerts: Sequence[AlertRecord]) -> tuple[AlertRecord, ...]:
    """Those that the route's filters let pass."""
    return tuple(alert for alert in alerts if passes(draft, alert))


def wait_s(tries: int) -> float:
    """How long to wait after so many failed tries: 5 s, 10 s, 20 s and so on, at most ten minutes."""
    return min(MOST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries - 1, 20))


def bare(draft: RouteDraft) -> RouteDraft:
    """The route as it is kept, and shown: without its secret."""
    return msgspec.structs.replace(draft, secret="")


def _check_url(url: str) -> None:
    hint = "Such as https://alerts.example.org/hook."
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or 0 < parts.port < 65536
    except ValueError as error:
        raise InvalidInput("the URL cannot be read", field="url", hint=hint) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or len(url) > 1000:
        raise InvalidInput("a route's URL begins with http:// or https:// and names a host", field="url", hint=hint)
    if parts.username or parts.password or not url.isprintable():
        raise InvalidInput(
            "a URL is shown to everybody", field="url", hint="Give what is secret as the route's secret."
        )


def _check_mail(draft: RouteDraft) -> None:
    mail = draft.mail
    if mail is None or not _HOST.fullmatch(mail.host) or not 0 < mail.port < 65536:
        raise InvalidInput("an e-mail route names its mail server", field="mail.host")
    if not draft.to:
        raise InvalidInput("an e-mail route has somebody to write to", field="to")
    for field, address in (("mail.sender", mail.sender), *(("to", one) for one in draft.to)):
        if not _ADDRESS.fullmatch(address):
            raise InvalidInput(f"'{address[:100]}' is no e-mail address", field=field)
    if len(mail.user) > 200 or not mail.user.isprintable():
        raise InvalidInput("a user name has at most 200 characters", field="mail.user")
