"""People log in with a password and act with a token; roles say what they may do."""

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY

from edgewright.contract.api import Role, UserDraft
from edgewright.contract.errors import InvalidInput, NotLoggedIn
from edgewright.hub.govern import People, Permission, Principal, require, table
from edgewright.hub.govern.model import GRANTS, Forbidden, UserExists, WrongPassword
from edgewright.hub.govern.service import TOKEN_TTL_S
from scenes.passwords import cheap_passwords

ANA = UserDraft(name="ana", password="correct horse", roles=(Role.ENGINEER,))


@pytest.fixture
def now():
    return [1_000.0]


@pytest.fixture
def people(db, audit, now):
    with cheap_passwords():
        return People(db, audit, lambda: now[0])


def test_passwords_are_hashed_with_the_work_that_rfc_9106_recommends(db, audit):
    People(db, audit, lambda: 0.0).create("admin", ANA)

    with db.read() as connection:
        kept = connection.scalar(sa.select(table.user.c.password_hash))
    assert not PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY).check_needs_rehash(kept)


def test_a_password_buys_a_token_that_stands_for_its_owner(people):
    people.create("admin", ANA)

    reply = people.login("ana", "correct horse")

    assert people.principal(reply.token) == Principal(name="ana", roles=(Role.ENGINEER,))


@pytest.mark.parametrize(("name", "password"), [("ana", "wrong horse!"), ("bob", "correct horse")])
def test_a_wrong_password_and_an_unknown_user_sound_the_same(people, name, password):
    people.create("admin", ANA)

    with pytest.raises(WrongPassword, match="user name or password is wrong"):
        people.login(name, password)


def test_a_token_ends(people, now):
    people.create("admin", ANA)
    token = people.login("ana", "correct horse").token
    now[0] += TOKEN_TTL_S + 1

    with pytest.raises(NotLoggedIn):
        people.principal(token)


def test_tokens_that_have_ended_are_swept_at_a_login(people, now, db):
    people.create("admin", ANA)
    people.login("ana", "correct horse")
    now[0] += TOKEN_TTL_S

    people.login("ana", "correct horse")

    with db.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(table.token)) == 1


def test_a_name_is_taken_once(people):
    people.create("admin", ANA)

    with pytest.raises(UserExists):
        people.create("admin", ANA)


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (UserDraft(name="a b", password="long enough", roles=(Role.VIEWER,)), "name"),
        (UserDraft(name="bob", password="short", roles=(Role.VIEWER,)), "password"),
        (UserDraft(name="bob", password="long enough", roles=()), "roles"),
    ],
)
def test_a_bad_user_is_refused_by_field(people, draft, field):
    with pytest.raises(InvalidInput) as refusal:
        people.create("admin", draft)

    assert refusal.value.field == field


def test_nobody_who_builds_releases_by_role_may_approve_them_too():
    both = [role for role in Role if {Permission.BUILD_RELEASES, Permission.APPROVE_RELEASES} <= GRANTS[role]]

    assert both == [Role.ADMIN]


def test_a_refusal_names_the_roles_that_could():
    with pytest.raises(Forbidden) as refusal:
        require(Principal(name="vic", roles=(Role.VIEWER,)), Permission.ROLL_OUT)

    assert "operator" in refusal.value.hint
