"""Alerts are told where people look, in order, until they arrive, and secrets stay secret."""

from __future__ import annotations

import dataclasses
import json
import ssl
from datetime import datetime

import pytest

from edgewright.contract import webhook
from edgewright.contract.api import (
    AlertEdit,
    AlertKind,
    AlertLevel,
    MailSecurity,
    MailServer,
    RouteDraft,
    RouteKind,
    Severity,
    Verdict,
)
from edgewright.contract.errors import InvalidInput
from edgewright.hub.govern import SYSTEM
from edgewright.hub.observe import Routes
from edgewright.hub.observe.alerts import Act
from edgewright.hub.observe.routes import table
from edgewright.hub.observe.routes.model import UnknownRoute, check, passes, wait_s
from edgewright.hub.observe.routes.sealing import SecretLost, seal, unseal
from edgewright.hub.observe.routes.service import NEWS
from edgewright.hub.observe.routes.wording import letter, subject
from scenes.alarms import ALARM, at, raised
from scenes.listening import certificate, http_listener, mail_listener
from scenes.performed import Performed

KEY = bytes(range(32))
HOOK = RouteDraft(name="team", kind=RouteKind.WEBHOOK, url="https://example.org/hook")
POST = MailServer(host="localhost", port=25, sender="hub@example.org")
MAIL = RouteDraft(name="post", kind=RouteKind.EMAIL, mail=POST, to=("ana@example.org",))


@pytest.fixture
def listener():
    with http_listener() as listener:
        yield listener


@pytest.fixture
def routes(line):
    """Routes whose runs are done in this thread; a run that waits lets time pass."""
    line.jobs = Performed(line.db, line.events, lambda: line.now)
    line.jobs.waits = 100

    def pass_time(_run: str) -> None:
        line.now += 600.0

    line.jobs.on_wait = pass_time
    routes = Routes(line.db, line.audit, lambda: line.now, line.jobs, line.alerts, KEY)
    for kind in NEWS:
        line.events.subscribe(kind, routes.on_news)
    return routes


def hook(listener, **changes) -> RouteDraft:
    return RouteDraft(**{"name": "team", "kind": RouteKind.WEBHOOK, "url": f"{listener.url}/hook", **changes})


def tell(line) -> None:
    line.events.deliver()
    line.jobs.work()


def firing(line, listener) -> list[str]:
    """The severities that fire at an Alertmanager: it goes by the last word on each set of labels."""
    posts = [json.loads(asked.body) for asked in listener.asked if asked.path.endswith("/api/v2/alerts")]
    ends_at = {one["labels"]["severity"]: one["endsAt"] for post in posts for one in post}
    return sorted(severity for severity, end in ends_at.items() if datetime.fromisoformat(end).timestamp() > line.now)


def graves(listener) -> list[str]:
    """What a webhook at /grave was told."""
    return [json.loads(asked.body)["news"] for asked in listener.asked if asked.path == "/grave"]


def test_a_webhook_tells_a_signed_alert_and_its_resolution(line, routes, listener):
    secret = routes.put(SYSTEM, hook(listener)).new_secret
    alert = raised(line)
    tell(line)
    line.alerts.act(SYSTEM, alert.id, Act.RESOLVE, AlertEdit(verdict=Verdict.TRUE))
    tell(line)

    bodies = [json.loads(asked.body) for asked in listener.asked]

    assert [(one["news"], one["alerts"][0]["id"]) for one in bodies] == [("raised", alert.id), ("resolved", alert.id)]
    assert bodies[0]["alerts"][0]["features"][0]["feature"] == "flow"
    ids = [webhook.verify(secret, asked.headers, asked.body, line.now) for asked in listener.asked]
    assert len(set(ids)) == 2
    (record,) = routes.list()
    assert (record.told, record.waiting, record.problem, record.has_secret) == (2, 0, "", True)


def test_what_does_not_arrive_is_tried_again_with_the_same_id_and_in_order(line, routes, listener):
    routes.put(SYSTEM, hook(listener))
    listener.answers += [500, 302, 429]
    first = raised(line)
    second = raised(line, at(AlertLevel.DEVICE, "dev-9"))

    tell(line)

    told = [json.loads(asked.body)["alerts"][0]["id"] for asked in listener.asked]
    assert told == [first.id] * 4 + [second.id]
    assert len({asked.headers["webhook-id"] for asked in listener.asked[:4]}) == 1
    assert {asked.path for asked in listener.asked} == {"/hook"}  # no redirect is followed


def test_after_a_day_a_telling_is_given_up_and_the_next_one_goes_on(line, routes, listener):
    routes.put(SYSTEM, hook(listener))
    listener.answers += [503] * 160
    raised(line)

    def sleep_a_day(_run: str) -> None:
        line.now += 86_401.0

    line.jobs.on_wait = sleep_a_day
    tell(line)

    (record,) = routes.list()
    assert (record.told, record.given_up, record.waiting) == (0, 1, 0)
    assert record.problem == "127.0.0.1 answered 503"


def test_an_alertmanager_hears_of_what_lives_until_it_is_resolved(line, routes, listener):
    draft = hook(listener, name="am", kind=RouteKind.ALERTMANAGER, url=f"{listener.url}/", secret="sesame")
    routes.put(SYSTEM, draft)
    alert = raised(line)
    tell(line)
    line.now += 900
    routes.remind()
    tell(line)
    line.alerts.act(SYSTEM, alert.id, Act.RESOLVE, AlertEdit())
    tell(line)
    routes.remind()
    tell(line)

    sent = [json.loads(asked.body)[0] for asked in listener.asked]

    assert [asked.path for asked in listener.asked] == ["/api/v2/alerts"] * 3
    assert listener.asked[0].headers["authorization"] == "Bearer sesame"
    assert sent[0]["labels"] == sent[1]["labels"] == sent[2]["labels"]
    assert sent[0]["labels"]["alertname"] == "EdgewrightDataDrift"
    assert sent[0]["endsAt"] < sent[1]["endsAt"]
    assert sent[2]["endsAt"] < sent[1]["endsAt"]


def test_a_snoozed_alert_does_not_fire_at_an_alertmanager_until_it_wakes(line, routes, listener):
    routes.put(SYSTEM, hook(listener, kind=RouteKind.ALERTMANAGER))
    alert = raised(line)
    tell(line)
    before = firing(line, listener)
    line.alerts.act(SYSTEM, alert.id, Act.SNOOZE, AlertEdit(until=line.now + 3600))
    tell(line)
    asleep = [firing(line, listener)]
    for _ in range(3):
        line.now += 900
        routes.remind()
        tell(line)
        asleep.append(firing(line, listener))
    line.now += 900
    line.alerts.wake()
    tell(line)

    assert (before, asleep, firing(line, listener)) == (["warning"], [[]] * 4, ["warning"])


@pytest.mark.parametrize("end", ["wake", Act.REOPEN, Act.ACKNOWLEDGE])
def test_what_gets_worse_in_its_sleep_is_told_when_that_ends_however_it_ends(line, routes, listener, end):
    routes.put(SYSTEM, hook(listener, name="am", kind=RouteKind.ALERTMANAGER))
    routes.put(SYSTEM, hook(listener, name="grave", url=f"{listener.url}/grave", least_severity=Severity.CRITICAL))
    alert = raised(line)
    tell(line)
    line.alerts.act(SYSTEM, alert.id, Act.SNOOZE, AlertEdit(until=line.now + 3600))
    raised(line, dataclasses.replace(ALARM, times_over=4.0))
    tell(line)
    asleep = (firing(line, listener), graves(listener))
    line.now += 3600
    line.alerts.wake() if end == "wake" else line.alerts.act(SYSTEM, alert.id, end, AlertEdit())
    tell(line)

    assert asleep == ([], [])
    assert (firing(line, listener), graves(listener)) == (["critical"], ["woken"])


def test_a_snooze_that_is_told_late_quiets_what_was_told_before(line, routes, listener):
    routes.put(SYSTEM, hook(listener, kind=RouteKind.ALERTMANAGER))
    alert = raised(line)
    tell(line)
    line.alerts.act(SYSTEM, alert.id, Act.SNOOZE, AlertEdit(until=line.now + 7200))
    raised(line, dataclasses.replace(ALARM, times_over=4.0))  # before the snooze is told
    listener.answers += [503]
    tell(line)

    assert firing(line, listener) == []


def test_people_who_snooze_are_not_told_of_it_and_a_longer_snooze_is_no_news(line, routes, listener):
    routes.put(SYSTEM, hook(listener))
    routes.put(SYSTEM, hook(listener, name="am", kind=RouteKind.ALERTMANAGER))
    alert = raised(line)
    for hours in (1, 2):
        line.alerts.act(SYSTEM, alert.id, Act.SNOOZE, AlertEdit(until=line.now + hours * 3600))
    tell(line)

    assert sorted(asked.path for asked in listener.asked) == ["/hook", "/hook/api/v2/alerts", "/hook/api/v2/alerts"]


def test_a_letter_goes_by_starttls_and_explains_everything(line, routes, tmp_path, monkeypatch):
    path = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with mail_listener(context) as box:
        server = MailServer(host="localhost", port=box.port, user="hub", sender="hub@example.org")
        routes.put(
            SYSTEM, RouteDraft(name="post", kind=RouteKind.EMAIL, mail=server, to=("ana@example.org",), secret="pw")
        )
        alert = raised(line)
        tell(line)

    ((text, is_private),) = box.letters
    assert is_private
    assert box.logins
    assert "Subject: [edgewright] warning: press version 1 sees other data" in text
    for words in (alert.id, "flow higher 0.40", "compared with:", "the training data", "how often wrong:", "30 days"):
        assert words in text


def test_a_mail_server_without_starttls_gets_nothing_and_no_password(line, routes):
    with mail_listener(None) as box:
        server = MailServer(host="localhost", port=box.port, user="hub", sender="hub@example.org")
        routes.put(
            SYSTEM, RouteDraft(name="post", kind=RouteKind.EMAIL, mail=server, to=("ana@example.org",), secret="pw")
        )

        result = routes.test(SYSTEM, "post")

    assert result.problem == "localhost: SMTPNotSupportedError"
    assert (box.letters, box.logins) == ([], [])


@pytest.mark.parametrize(
    ("filters", "does"),
    [
        ({}, True),
        ({"models": ("press", "other")}, True),
        ({"models": ("other",)}, False),
        ({"kinds": (AlertKind.BIAS,)}, False),
        ({"kinds": (AlertKind.BIAS, AlertKind.DATA_DRIFT)}, True),
        ({"levels": (AlertLevel.DEVICE,)}, False),
        ({"least_severity": Severity.WARNING}, True),
        ({"least_severity": Severity.CRITICAL}, False),
    ],
)
def test_filters_choose_by_model_kind_level_and_severity(line, filters, does):
    assert passes(RouteDraft(name="team", kind=RouteKind.WEBHOOK, url="https://x.org", **filters), raised(line)) is does


@pytest.mark.parametrize(
    "draft",
    [
        RouteDraft(name="Team!", kind=RouteKind.WEBHOOK, url="https://x.org"),
        RouteDraft(name="team", kind=RouteKind.WEBHOOK, url="file:///etc/passwd"),
        RouteDraft(name="team", kind=RouteKind.WEBHOOK, url="https://ana:pw@x.org"),
        RouteDraft(name="team", kind=RouteKind.WEBHOOK, url="https://"),
        RouteDraft(name="team", kind=RouteKind.WEBHOOK, url="https://x.org:99999"),
        RouteDraft(name="team", kind=RouteKind.WEBHOOK, url="https://x.org", secret="hunter2"),
        RouteDraft(name="team", kind=RouteKind.ALERTMANAGER, url="https://x.org", secret="a\r\nb: c"),
        RouteDraft(name="post", kind=RouteKind.EMAIL, to=("ana@example.org",)),
        RouteDraft(name="post", kind=RouteKind.EMAIL, mail=POST),
        RouteDraft(name="post", kind=RouteKind.EMAIL, mail=POST, to=("ana@example.org\nBcc: x@y.z",)),
        RouteDraft(
            name="post",
            kind=RouteKind.EMAIL,
            mail=MailServer(host="a b", sender="hub@example.org", security=MailSecurity.TLS),
            to=("ana@example.org",),
        ),
    ],
)
def test_a_route_that_cannot_work_is_refused_and_no_secret_repeated(draft):
    with pytest.raises(InvalidInput) as caught:
        check(draft)

    assert "hunter2" not in str(caught.value)
    assert caught.value.field


def test_secrets_are_sealed_and_in_no_listing_and_no_log(line, routes):
    routes.put(SYSTEM, RouteDraft(name="am", kind=RouteKind.ALERTMANAGER, url="https://x.org", secret="open-sesame"))

    with line.db.read() as connection:
        stored = table.of_name(connection, "am")

    assert b"open-sesame" not in stored["secret"]
    assert unseal(KEY, "am", stored["secret"]) == "open-sesame"
    shown = f"{routes.list()} {stored['draft']} {line.audit.entries()}"
    assert "open-sesame" not in shown
    with pytest.raises(SecretLost):
        unseal(bytes(32), "am", stored["secret"])
    with pytest.raises(SecretLost):
        unseal(KEY, "other", stored["secret"])
    assert unseal(KEY, "none", seal(KEY, "none", "")) == ""


def test_a_secret_does_not_follow_a_route_to_another_place(line, routes):
    first = routes.put(SYSTEM, HOOK)
    same = routes.put(SYSTEM, HOOK)
    moved = routes.put(SYSTEM, RouteDraft(name="team", kind=RouteKind.WEBHOOK, url="https://evil.example/hook"))

    assert first.new_secret
    assert not same.new_secret
    assert moved.new_secret not in ("", first.new_secret)


def test_a_route_that_is_gone_tells_nothing(line, routes, listener):
    routes.put(SYSTEM, hook(listener))
    raised(line)
    line.events.deliver()
    routes.remove(SYSTEM, "team")

    line.jobs.work()

    assert (listener.asked, routes.list()) == ([], ())
    with pytest.raises(UnknownRoute):
        routes.test(SYSTEM, "team")


def test_a_test_tells_an_alert_that_is_none(line, routes, listener):
    secret = routes.put(SYSTEM, hook(listener)).new_secret
    listener.answers.append(404)

    problem = routes.test(SYSTEM, "team").problem
    fine = routes.test(SYSTEM, "team").problem

    assert (problem, fine) == ("127.0.0.1 answered 404", "")
    assert webhook.verify(secret, listener.asked[1].headers, listener.asked[1].body, line.now)
    assert json.loads(listener.asked[1].body)["news"] == "test"


def test_waits_grow_and_end():
    assert [wait_s(tries) for tries in (1, 2, 3)] == [5.0, 10.0, 20.0]
    assert wait_s(500) == 600.0


def test_no_name_breaks_out_of_a_subject_line(line):
    alert = raised(line, dataclasses.replace(ALARM, model="press\r\nBcc: x", devices=("a\nb",)))

    assert "\n" not in subject(next(iter(NEWS.values())), alert)
    assert "edgewright alert show" in letter(next(iter(NEWS.values())), alert)
