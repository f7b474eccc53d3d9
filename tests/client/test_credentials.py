"""Logins: where they are kept, which one is in use, and to whom a token goes."""

from __future__ import annotations

import stat

import pytest

from edgewright.client import Credentials, Login
from edgewright.client.credentials import credentials_path, current, load, remember
from edgewright.contract.errors import InvalidInput, NotLoggedIn

HERE, THERE = "http://here:1", "http://there:2"


@pytest.fixture
def environment(tmp_path):
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def login(hub: str = HERE, user: str = "ada", **facts: str) -> Login:
    return Login(**{"hub": hub, "user": user, "token": "t", **facts})


def test_the_newest_login_is_in_use(environment):
    remember(login(HERE), environment)
    remember(login(THERE), environment)

    assert current(environment).hub == THERE


def test_only_the_owner_may_read_the_file(environment):
    path = remember(login(), environment)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["credentials.json"]


def test_a_second_login_replaces_the_first_and_keeps_its_keys():
    credentials = Credentials().with_login(Login(hub=HERE, user="ada", token="old", keys="/keys"))

    credentials = credentials.with_login(login(token="new"))

    assert credentials.logins == (Login(hub=HERE, user="ada", token="new", keys="/keys"),)


def test_a_kept_token_goes_to_no_other_hub(environment):
    remember(login(HERE, token="secret"), environment)

    assert current({**environment, "EDGEWRIGHT_HUB": THERE}).token == ""


def test_a_user_is_chosen_by_name(environment):
    remember(login(user="ada", token="a"), environment)
    remember(login(user="bob", token="b"), environment)

    assert current({**environment, "EDGEWRIGHT_USER": "ada"}).token == "a"


def test_a_token_in_the_environment_wins(environment):
    remember(login(), environment)

    assert current({**environment, "EDGEWRIGHT_TOKEN": "other"}).token == "other"


def test_without_any_login_the_next_command_is_named(environment):
    with pytest.raises(NotLoggedIn) as caught:
        current(environment)

    assert "edgewright login" in caught.value.hint


def test_an_unknown_user_is_named(environment):
    remember(login(), environment)

    with pytest.raises(NotLoggedIn, match="eve"):
        current({**environment, "EDGEWRIGHT_USER": "eve"})


def test_a_file_that_is_spoilt_is_named_and_left_alone(environment):
    path = credentials_path(environment)
    path.parent.mkdir()
    path.write_text("{")

    with pytest.raises(InvalidInput, match=str(path)):
        load(path)

    assert path.read_text() == "{"
