"""How alerts are told: signed webhooks, letters, and the API of Alertmanager. Each try ends within seconds."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
import time
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from typing import Any

import httpx
import msgspec

from edgewright.contract import webhook
from edgewright.contract.api import AlertRecord, AlertState, MailSecurity, MailServer, RouteDraft, RouteKind, Severity
from edgewright.hub.observe.routes.model import News, NotTold, Telling
from edgewright.hub.observe.routes.wording import letter, subject

TIMEOUT_S = 10.0
FORGOTTEN_AFTER_S = 3600.0
"""An Alertmanager takes an alert for resolved if it does not hear of it again for so long."""


def send(draft: RouteDraft, secret: str, telling: Telling, now: float) -> None:
    """Tell it by the route, once. Raises NotTold."""
    SENDERS[draft.kind](draft, secret, telling, now)


def post_webhook(draft: RouteDraft, secret: str, telling: Telling, now: float) -> None:
    """POST `{"news", "at", "alerts"}` as JSON, signed; any 2xx will do. See docs/reference/alerts.md."""
    content = {"news": telling.news, "at": telling.at, "alerts": telling.alerts}
    body = msgspec.json.encode(content)
    _post(draft.url, body, webhook.sign(secret, telling.id, now, body))


def post_alertmanager(draft: RouteDraft, secret: str, telling: Telling, now: float) -> None:
    """POST to `/api/v2/alerts` (Alertmanager's OpenAPI, `postableAlerts`).

    One that got worse replaces the milder; one that sleeps does not fire, whatever is told of it.
    """
    alerts = [_postable(one, one.severity, now, telling.news) for one in telling.alerts]
    if telling.news in (News.WORSE, News.SNOOZED):  # which may have got worse since
        milder = [(one, mild) for one in telling.alerts for mild in Severity if mild.rank < one.severity.rank]
        alerts += [_postable(one, mild, now, News.RESOLVED) for one, mild in milder]
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    if alerts:
        _post(f"{draft.url.rstrip('/')}/api/v2/alerts", msgspec.json.encode(alerts), headers)


def mail(draft: RouteDraft, secret: str, telling: Telling, now: float) -> None:
    """One letter for each alert; those about one alert are one thread."""
    server = draft.mail
    if server is None:
        raise NotTold("the route names no mail server")
    try:
        with _connection(server, secret) as connection:
            for alert in telling.alerts:
                connection.send_message(_message(server, draft.to, telling, alert))
    except smtplib.SMTPResponseException as error:
        raise NotTold(f"{server.host} answered {error.smtp_code}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise NotTold(f"{server.host}: {type(error).__name__}") from error


SENDERS: dict[RouteKind, Callable[[RouteDraft, str, Telling, float], None]] = {
    RouteKind.WEBHOOK: post_webhook,
    RouteKind.ALERTMANAGER: post_alertmanager,
    RouteKind.EMAIL: mail,
}


def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    """Redirects are not followed: they would carry the body, or a token, to where nobody sent it."""
    try:
        with httpx.stream(
            "POST", url, content=body, headers={"content-type": "application/json", **headers}, timeout=TIMEOUT_S
        ) as reply:
            code = reply.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotTold(f"{type(error).__name__} at {httpx.URL(url).host}") from error
    if not 200 <= code < 300:
        raise NotTold(f"{httpx.URL(url).host} answered {code}")


def _connection(server: MailServer, password: str) -> contextlib.AbstractContextManager[smtplib.SMTP]:
    """Greeted, private and logged in. STARTTLS that is not offered is an error, never left out (RFC 3207)."""
    context = ssl.create_default_context()
    if server.security is MailSecurity.TLS:
        connection: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=context)
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
    try:
        if server.security is MailSecurity.STARTTLS:
            connection.starttls(context=context)
        if server.user:
            connection.login(server.user, password)
    except BaseException:
        connection.close()
        raise
    return connection


def _message(server: MailServer, to: Sequence[str], telling: Telling, alert: AlertRecord) -> EmailMessage:
    message = EmailMessage()
    message["From"] = server.sender
    message["To"] = ", ".join(to)
    message["Subject"] = subject(telling.news, alert)
    message["Message-ID"] = f"<{telling.id}.{alert.id}@edgewright.invalid>"
    message["References"] = f"<{alert.id}@edgewright.invalid>"
    message["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(telling.at))
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834
    message.set_content(letter(telling.news, alert))
    return message


def _postable(alert: AlertRecord, severity: Severity, now: float, news: News) -> dict[str, Any]:
    """An alert is known by its labels: they stay as they are for as long as it lives."""
    words = "".join(word.capitalize() for word in alert.kind.split("_"))
    labels = {"alertname": f"Edgewright{words}", "alert": alert.id, "model": alert.model, "severity": str(severity)}
    labels |= {"version": str(alert.version), "level": str(alert.level), "segment": alert.segment}
    is_over = news is News.RESOLVED or alert.state in (AlertState.SNOOZED, AlertState.RESOLVED)
    ends_at = now if is_over else now + FORGOTTEN_AFTER_S
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {"summary": alert.message, "description": letter(news, alert)},
        "startsAt": _rfc3339(min(alert.raised_at, now)),
        "endsAt": _rfc3339(ends_at),
    }


def _rfc3339(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
