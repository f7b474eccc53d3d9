"""Pushes of GitHub and GitLab: who sent them, which one it is, and what it changes. Hostile bytes; no I/O.

GitHub signs the body (`X-Hub-Signature-256`, docs.github.com, 'Validating webhook deliveries'); GitLab shows the secret
(`X-Gitlab-Token`, docs.gitlab.com, 'Webhooks'). Neither signs the id of a delivery, so a body's digest is one as well.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from edgewright.contract.api import Forge
from edgewright.hub.automate.triggers.model import Pushed, UnreadablePush, WrongSignature

MAX_BODY_BYTES = 4 * 1024**2
MAX_PATHS = 500
MAX_TEXT_CHARS = 200
MAX_ID_CHARS = 100
LISTED = {Forge.GITHUB: 2048, Forge.GITLAB: 20}
"""How many commits a forge names, at most."""
SIGNED_BY = {Forge.GITHUB: "X-Hub-Signature-256", Forge.GITLAB: "X-Gitlab-Token"}
DELIVERY = {Forge.GITHUB: ("X-GitHub-Delivery",), Forge.GITLAB: ("Idempotency-Key", "X-Gitlab-Event-UUID")}
EVENT = {Forge.GITHUB: "X-GitHub-Event", Forge.GITLAB: "X-Gitlab-Event"}
PUSH = {Forge.GITHUB: ("push",), Forge.GITLAB: ("Push Hook", "Tag Push Hook")}
BRANCH = "refs/heads/"

Headers = Mapping[str, str]
"""By lower-case name."""


class Commit(msgspec.Struct, frozen=True):
    """The paths that a commit touches."""

    added: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Repository(msgspec.Struct, frozen=True):
    """GitHub says `full_name`, GitLab `path_with_namespace`."""

    full_name: str = ""
    path_with_namespace: str = ""


class Push(msgspec.Struct, frozen=True):
    """What both forges send."""

    ref: str
    after: str
    commits: tuple[Commit, ...] = ()
    total_commits_count: int = 0
    repository: Repository = Repository()
    project: Repository = Repository()


def derive_secret(key: bytes, trigger: str, salt: str) -> str:
    """The secret of a trigger's webhook: whoever reads the tables alone cannot know it."""
    tag = hmac.digest(key, f"webhook {trigger} {salt}".encode(), "sha256")
    return "ews_" + base64.urlsafe_b64encode(tag).decode().rstrip("=")


def check_proof(headers: Headers) -> None:
    """Raise WrongSignature where the headers show no proof of either forge: then the body need not be read."""
    if not any(headers.get(name.lower()) for name in SIGNED_BY.values()):
        raise WrongSignature(f"the push carries no {' and no '.join(SIGNED_BY.values())}", field="headers")


def check_signature(forge: Forge, headers: Headers, body: bytes, secret: str) -> None:
    """Raise WrongSignature unless whoever sent `body` knows the secret; takes the same time for every wrong one."""
    wanted = secret
    if forge is Forge.GITHUB:
        wanted = "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()
    shown = headers.get(SIGNED_BY[forge].lower(), "")
    if not hmac.compare_digest(shown.encode(), wanted.encode()):
        raise WrongSignature(f"the push's {SIGNED_BY[forge]} is not by this trigger's secret", field=SIGNED_BY[forge])


def is_push(forge: Forge, headers: Headers) -> bool:
    """Whether a delivery tells of a push; forges also tell that a webhook was made, and what they were told to."""
    return headers.get(EVENT[forge].lower(), "") in PUSH[forge]


def delivery_keys(forge: Forge, headers: Headers, body: bytes) -> tuple[str, ...]:
    """The names of a delivery: its body's, and the one that the forge gave. Whichever was seen before is a replay."""
    digest = hashlib.sha256(body).hexdigest()
    id = next((headers[name.lower()] for name in DELIVERY[forge] if headers.get(name.lower())), "")[:MAX_ID_CHARS]
    if forge is Forge.GITLAB and id:  # a body may come again there: it bears no time
        return (f"delivery-{_plain(id)}",)
    return (f"push-{digest}", *([f"delivery-{_plain(id)}"] if id else []))


def read_push(forge: Forge, headers: Headers, body: bytes) -> Pushed:
    """What a push changes; raises UnreadablePush."""
    if "json" not in headers.get("content-type", ""):
        raise UnreadablePush("the push is not sent as JSON", field="Content-Type")
    try:
        push = msgspec.json.decode(body, type=Push)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadablePush(f"the push cannot be read: {error}"[:300], field="body") from error
    paths = {path for commit in push.commits for path in (*commit.added, *commit.modified, *commit.removed)}
    is_all = len(push.commits) < LISTED[forge] and push.total_commits_count <= len(push.commits)
    kept = sorted(paths)[:MAX_PATHS]
    return Pushed(
        repository=_plain(push.repository.full_name or push.project.path_with_namespace),
        branch=_plain(push.ref.removeprefix(BRANCH)) if push.ref.startswith(BRANCH) else "",
        revision=_plain(push.after),
        paths=tuple(map(_plain, kept)),
        is_whole=is_all and len(kept) == len(paths),
        is_deletion=bool(push.after) and not push.after.strip("0"),
    )


def _plain(text: str) -> str:
    """A forge's text, short and without what steers a terminal."""
    return "".join(one if one.isprintable() else "?" for one in text[:MAX_TEXT_CHARS])
