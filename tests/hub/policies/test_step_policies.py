"""Which steps go on without a person, and what happens where people are asked."""

from __future__ import annotations

import pytest

from edgewright.contract.api import (
    ApprovalState,
    Going,
    JudgingRules,
    LeaveState,
    Outcome,
    PolicyStep,
    PromotionRules,
    ReleaseRecord,
    ReleaseState,
    Role,
    StepPolicy,
    UserDraft,
    VoteDraft,
)
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.policies import Desk, Policies, StepFacts, may_go_on
from edgewright.hub.automate.policies.model import is_stricter
from edgewright.hub.govern import Approvals, People
from edgewright.hub.govern.model import Forbidden, Principal
from edgewright.hub.govern.voting import ApprovalSettled, MayNotApprove, StaleApproval, UnknownApproval
from scenes.passwords import cheap_passwords

PASSWORD = "a long password"
ASK = StepPolicy(promote=Going.ASK)


def facts(verdict=Outcome.YES, digest="d1") -> StepFacts:
    return StepFacts(subject="lines@2", digest=digest, author="ana", run="pipeline-1", why="better", verdict=verdict)


@pytest.mark.parametrize(
    ("policy", "verdict", "state"),
    [
        (StepPolicy(), Outcome.YES, LeaveState.GO),
        (StepPolicy(), None, LeaveState.GO),
        (StepPolicy(), Outcome.ASK, LeaveState.WAIT),
        (StepPolicy(), Outcome.NO, LeaveState.STOP),
        (ASK, Outcome.YES, LeaveState.WAIT),
        (ASK, Outcome.NO, LeaveState.STOP),
    ],
)
def test_rules_stop_a_challenger_and_policies_or_doubt_ask_people(policy, verdict, state):
    assert may_go_on(policy, PolicyStep.PROMOTE, facts(verdict)).state is state


@pytest.mark.parametrize(
    ("new", "old", "is_so"),
    [
        (ASK, StepPolicy(), True),
        (StepPolicy(), ASK, False),
        (StepPolicy(approve=Going.GO), StepPolicy(), False),
        (StepPolicy(approvals_needed=2), StepPolicy(), True),
        (StepPolicy(), StepPolicy(approvals_needed=2), False),
        (StepPolicy(approvers=("ben",)), StepPolicy(), True),
        (StepPolicy(), StepPolicy(approvers=("ben",)), False),
        (StepPolicy(approvers=("eva",)), StepPolicy(approvers=("ben",)), False),
    ],
)
def test_a_policy_is_stricter_if_nothing_goes_on_that_did_not_before(new, old, is_so):
    assert is_stricter(new, old) is is_so


class Rules(dict[str, JudgingRules]):
    """What each project declares."""


class Bench:
    """Judging and packaging as policies see them: in memory."""

    def __init__(self) -> None:
        self.approved: list[tuple[str, str]] = []
        self.outcome = Outcome.YES

    def of(self, model, challenger=0):
        return ()

    def releases(self, model=""):
        return []

    def release(self, model, counter):
        raise UnknownApproval("none")


@pytest.fixture
def people(db, audit, clock):
    with cheap_passwords():
        people = People(db, audit, clock)
    roles = {"ana": (Role.ENGINEER, Role.APPROVER), "ben": (Role.APPROVER,), "eva": (Role.APPROVER,)}
    for name, given in {**roles, "vic": (Role.VIEWER,)}.items():
        people.create("admin", UserDraft(name=name, password=PASSWORD, roles=given))
    return people


@pytest.fixture
def approvals(db, events, audit, clock, people):
    return Approvals(db, events, audit, clock, people.users)


@pytest.fixture
def rules() -> Rules:
    return Rules(lines=JudgingRules())


@pytest.fixture
def policies(db, events, audit, clock, people, approvals, rules):
    return Policies(db, events, audit, clock, people, approvals, Bench(), Bench(), rules.__getitem__)


def by(name: str) -> Principal:
    roles = {"vic": (Role.VIEWER,)}.get(name, (Role.APPROVER, Role.ENGINEER))
    return Principal(name=name, roles=roles)


def say(approvals, name, id="promote:lines@2", *, is_yes=True, digest="", why=""):
    return approvals.vote(by(name), VoteDraft(approval=id, is_yes=is_yes, digest=digest, why=why))


def test_a_step_waits_for_n_of_m_people_of_whom_the_author_is_none(policies, approvals):
    policies.put(by("ana"), "lines", StepPolicy(promote=Going.ASK, approvals_needed=2))

    first = policies.leave("lines", PolicyStep.PROMOTE, facts())
    with pytest.raises(MayNotApprove):
        say(approvals, "ana")
    say(approvals, "ben")
    second = policies.leave("lines", PolicyStep.PROMOTE, facts())
    say(approvals, "eva")
    last = policies.leave("lines", PolicyStep.PROMOTE, facts())

    assert [leave.state for leave in (first, second, last)] == [LeaveState.WAIT, LeaveState.WAIT, LeaveState.GO]
    assert first.approval == "promote:lines@2"
    assert last.why == "approved by ben, eva"


def test_approvals_are_of_a_digest_and_stale_when_it_changes(policies, approvals):
    policies.put(by("ana"), "lines", ASK)
    policies.leave("lines", PolicyStep.PROMOTE, facts())
    say(approvals, "ben", digest="d1")

    again = policies.leave("lines", PolicyStep.PROMOTE, facts(digest="d2"))
    with pytest.raises(StaleApproval):
        say(approvals, "eva", digest="d1")

    assert again.state is LeaveState.WAIT
    record = approvals.approval("promote:lines@2")
    assert (record.given, [vote.counts for vote in record.votes]) == (0, [False])


def test_one_no_stops_it_with_its_reason_and_nobody_may_vote_any_more(policies, approvals):
    policies.put(by("ana"), "lines", ASK)
    policies.leave("lines", PolicyStep.PROMOTE, facts())
    say(approvals, "ben", is_yes=False, why="the old hold-out is stale")

    leave = policies.leave("lines", PolicyStep.PROMOTE, facts())

    assert (leave.state, leave.why) == (LeaveState.STOP, "rejected by ben: the old hold-out is stale")
    with pytest.raises(ApprovalSettled):
        say(approvals, "eva")


def test_only_people_with_the_role_and_those_named_may(policies, approvals):
    policies.put(by("ana"), "lines", StepPolicy(promote=Going.ASK, approvers=("eva",)))
    policies.leave("lines", PolicyStep.PROMOTE, facts())

    assert approvals.approval("promote:lines@2").may == ("eva",)
    with pytest.raises(MayNotApprove):
        say(approvals, "ben")
    with pytest.raises(Forbidden):
        say(approvals, "vic")
    with pytest.raises(UnknownApproval):
        say(approvals, "eva", id="promote:wine@1")


def test_a_policy_that_lets_more_go_on_waits_for_people_and_the_old_one_holds(policies, approvals):
    policies.put(by("ana"), "lines", ASK)
    waiting = policies.put(by("ana"), "lines", StepPolicy(approve=Going.GO))
    before = policies.leave("lines", PolicyStep.PROMOTE, facts())
    say(approvals, "ben", id="policy:lines")
    now = policies.policy("lines")

    assert policies.put(by("ana"), "lines", StepPolicy(approve=Going.GO)) == now  # again: nothing changes
    assert (waiting.policy, waiting.proposed) == (ASK, StepPolicy(approve=Going.GO))
    assert before.state is LeaveState.WAIT
    assert (now.policy.approve, now.stands, now.proposed) == (Going.GO, ("ben",), None)
    assert policies.leave("lines", PolicyStep.PROMOTE, facts()).state is LeaveState.GO


def test_a_stricter_policy_takes_back_what_people_stood_for_at_once(policies, approvals):
    policies.put(by("ana"), "lines", StepPolicy(approve=Going.GO))
    say(approvals, "ben", id="policy:lines")

    record = policies.put(by("ana"), "lines", StepPolicy())
    again = policies.put(by("ana"), "lines", StepPolicy(approve=Going.GO))

    assert (record.policy, record.stands, record.proposed) == (StepPolicy(), (), None)
    assert (again.policy, again.stands, again.proposed) == (StepPolicy(), (), StepPolicy(approve=Going.GO))


def test_people_stand_for_the_rules_too_and_are_asked_again_when_those_change(policies, approvals, rules):
    policy = StepPolicy(approve=Going.GO)
    policies.put(by("ana"), "lines", policy)
    say(approvals, "ben", id="policy:lines")
    before = policies.policy("lines")

    rules["lines"] = JudgingRules(promotion=PromotionRules(max_loss=0.9))
    loosened = policies.policy("lines")
    policies.put(by("ana"), "lines", policy)
    asked = approvals.approval("policy:lines")
    say(approvals, "eva", id="policy:lines")

    assert (before.stands, loosened.stands, loosened.policy.approve) == (("ben",), (), Going.ASK)
    assert (asked.state, asked.given) == (ApprovalState.OPEN, 0)
    assert policies.policy("lines").stands == ("eva",)


def test_what_a_run_asked_for_is_withdrawn_when_it_ends(policies, approvals, events, db):
    policies.put(by("ana"), "lines", ASK)
    policies.leave("lines", PolicyStep.PROMOTE, facts())
    with db.write() as connection:
        events.record(connection, "run.ended", "pipeline-1", state="cancelled")
    events.deliver()

    assert approvals.approval("promote:lines@2").state is ApprovalState.WITHDRAWN
    assert policies.leave("lines", PolicyStep.PROMOTE, facts()).state is LeaveState.WAIT
    assert approvals.approval("promote:lines@2").state is ApprovalState.OPEN


def test_a_policy_that_nobody_can_meet_is_refused_and_a_dry_run_keeps_nothing(policies):
    with pytest.raises(InvalidInput, match="2 of 1 people"):
        policies.put(by("ana"), "lines", StepPolicy(approvals_needed=2, approvers=("ben",)))
    policies.put(by("ana"), "lines", ASK, dry_run=True)

    assert policies.policy("lines").policy == StepPolicy()


def release(state: ReleaseState, approvals=()) -> ReleaseRecord:
    return ReleaseRecord(
        id="lines/3",
        model="lines",
        version=2,
        counter=3,
        digest="ff",
        state=state,
        packages=(),
        author="ana",
        approvals=approvals,
        approvals_needed=1,
        signatures=(),
        signatures_needed=1,
        note="better",
        created_at=5.0,
    )


class Shelf(Bench):
    """One release."""

    def __init__(self, record: ReleaseRecord) -> None:
        super().__init__()
        self.record = record

    def releases(self, model=""):
        return [self.record]

    def release(self, model, counter):
        return self.record


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (release(ReleaseState.DRAFT), ApprovalState.OPEN),
        (release(ReleaseState.DRAFT, ("ben",)), ApprovalState.APPROVED),
        (release(ReleaseState.READY, ("ben",)), ApprovalState.APPROVED),
        (release(ReleaseState.BAD), ApprovalState.REJECTED),
    ],
)
def test_releases_stand_in_the_same_list_as_steps(record, state, db, approvals, people, policies):
    policies.put(by("ana"), "lines", ASK)
    policies.leave("lines", PolicyStep.PROMOTE, facts())

    desk = Desk(db, approvals, people, Shelf(record))

    assert {one.id for one in desk.all()} == {"promote:lines@2", "release:lines/3"}
    found = desk.approval("release:lines/3")
    assert (found.state, found.may, found.digest) == (state, ("ben", "eva"), "ff")
