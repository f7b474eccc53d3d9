"""Who you are at which hub: the logins kept in ~/.config/edgewright/credentials.json, for your eyes only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edgewright.contract.errors import InvalidInput, NotLoggedIn

FORMAT = 1


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """One person's login at one hub. `keys` is the folder of this person's release keys, "" where there is none."""

    hub: str
    user: str
    token: str
    keys: str = ""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Every login of this account, the newest first: it is the one in use."""

    format: int = FORMAT
    logins: tuple[Login, ...] = ()

    def with_login(self, login: Login) -> Credentials:
        """Put `login` first; it replaces an older one of the same person at the same hub and keeps its keys."""
        same = [old for old in self.logins if (old.hub, old.user) == (login.hub, login.user)]
        keys = login.keys or next((old.keys for old in same), "")
        rest = tuple(old for old in self.logins if old not in same)
        return Credentials(logins=(msgspec.structs.replace(login, keys=keys), *rest))

    def find(self, hub: str = "", user: str = "") -> Login | None:
        """The newest login at `hub` of `user`; "" stands for any."""
        fits = (one for one in self.logins if hub in ("", one.hub) and user in ("", one.user))
        return next(fits, None)


def credentials_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the logins are kept; XDG_CONFIG_HOME moves it."""
    home = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "edgewright" / "credentials.json"


def load(path: Path) -> Credentials:
    """Read the logins; none where there is no file yet."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    except FileNotFoundError:
        return Credentials()
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidInput(
            f"cannot read {path}: {error}", field="credentials", hint=f"Move it away: mv {path} {path}.old"
        ) from error


def save(path: Path, credentials: Credentials) -> None:
    """Write the logins whole, readable by their owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(credentials), indent=2))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def remember(login: Login, environment: Mapping[str, str] = os.environ) -> Path:
    """Keep `login` as the one in use; returns the file that holds it."""
    path = credentials_path(environment)
    save(path, load(path).with_login(login))
    return path


def current(environment: Mapping[str, str] = os.environ) -> Login:
    """The login in use: EDGEWRIGHT_HUB, EDGEWRIGHT_USER and EDGEWRIGHT_TOKEN, completed from the kept logins.

    A kept token goes to the hub that gave it, and to no other. Raises NotLoggedIn where no hub is known.
    """
    hub = environment.get("EDGEWRIGHT_HUB", "").rstrip("/")
    user = environment.get("EDGEWRIGHT_USER", "")
    token = environment.get("EDGEWRIGHT_TOKEN", "")
    kept = load(credentials_path(environment)).find(hub, user)
    if kept is not None:
        return msgspec.structs.replace(kept, token=token or kept.token)
    if user and not token:
        raise NotLoggedIn(
            f"{user} is not logged in here", field="EDGEWRIGHT_USER", hint=f"Run `edgewright login --user {user}`."
        )
    if not hub:
        raise NotLoggedIn(
            "no hub is known here",
            field="hub",
            hint="Run `edgewright login --hub URL`, or start a hub of your own: `edgewright hub up --dir DIR`.",
        )
    return Login(hub=hub, user=user, token=token)
