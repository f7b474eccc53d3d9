"""`edgewright-agent tuf`: the device's own TUF client for any repository, by the protocol of the tuf-conformance suite.

Exit code 0 says that it worked and 1 that it did not, whatever the reason. Metadata lies in one folder under plain
names; what is downloaded lies in another, under the target's path with its slashes quoted.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import TargetFile

from edgewright.agent.disk import FileStore, Settings, durable
from edgewright.agent.link import Patience, TimedConnection, refresh
from edgewright.agent.link.line import foreign_errors_told, raise_for
from edgewright.contract.errors import EdgewrightError, HostileInput, NotFound, Refused, UsageError
from edgewright.contract.trusted import MAX_ROOT_BYTES, TrustedSet

MAX_TARGET_BYTES = 256 * 1024 * 1024


class TargetTooLarge(Refused):
    """The target is more than this verb will hold in memory."""

    code = "target_too_large"
    hint = "Models come to a device by its hub's orders, a piece at a time; this verb is for small files."


class TufFailed(Refused):
    """Whatever went wrong: the suite's protocol knows one exit code for it."""

    code = "tuf_failed"
    hint = "Nothing that was not verified has been kept."


def run(chosen: argparse.Namespace) -> int:
    """Do what was chosen; raises TufFailed."""
    deeds = {"init": init, "refresh": update, "download": download}
    try:
        deeds[chosen.deed](chosen)
    except EdgewrightError as error:
        raise TufFailed(error.message, field=error.field, hint=error.hint) from error
    except OSError as error:
        raise TufFailed(str(error)) from error
    return 0


def init(chosen: argparse.Namespace) -> None:
    """Keep the root with which trust begins; raises HostileInput if it does not vouch for itself."""
    with chosen.root.open("rb") as file:
        data = file.read(MAX_ROOT_BYTES + 1)
    TrustedSet.from_root(data)
    FileStore(chosen.metadata_dir).write("root.json", data)


def update(chosen: argparse.Namespace) -> None:
    """Bring the metadata up to date; raises HostileInput, NotFound, Unreachable."""
    refresh.refresh(_repository(chosen), _now())


def download(chosen: argparse.Namespace) -> None:
    """Bring the metadata up to date, then the targets one after the other, unless they are here already."""
    if not chosen.target_name or chosen.target_dir is None:
        raise UsageError("say --target-name and --target-dir", field="target_name")
    repository, now = _repository(chosen), _now()
    trusted = refresh.refresh(repository, now)
    for path in chosen.target_name:
        trusted, target = refresh.find_target(repository, trusted, path, now)
        if target is None:
            raise NotFound(f"no role vouches for '{path}'", field="target_name")
        place = chosen.target_dir / quote(path, safe="")
        if not _is_here(place, target):
            is_prefixed = bool(trusted.root.consistent_snapshot)
            _bring(Files(chosen.target_base_url), target, place, is_prefixed=is_prefixed)


class Files:
    """The files of a web server below one address, each within a deadline."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")
        settings = Settings()
        self._patience = Patience(settings.timeout_s, settings.min_bytes_s, time.monotonic)
        self._talk_s = settings.talk_s

    def fetch(self, name: str, max_bytes: int) -> bytes:
        """The file at that path; raises NotFound, Unreachable, and HostileInput if it is longer than `max_bytes`."""
        url = urlsplit(f"{self._base}/{name}")
        if url.scheme not in ("http", "https") or not url.hostname:
            raise UsageError(f"'{self._base}' is no http or https address")
        with contextlib.closing(TimedConnection(url, self._patience)) as connection, foreign_errors_told():
            connection.deadline = self._patience.begin(time.monotonic() + self._talk_s)
            connection.request("GET", url.path)
            response = connection.getresponse()
            data = response.read(max_bytes + 1)
        if response.status != 200:
            raise_for(response.status, data, response.headers)
        if len(data) > max_bytes:
            raise HostileInput(f"{name} is longer than {max_bytes} bytes", field=name)
        return data


def _repository(chosen: argparse.Namespace) -> refresh.Repository:
    return refresh.Repository(FileStore(chosen.metadata_dir), Files(chosen.metadata_url).fetch)


def _bring(files: Files, target: TargetFile, place: Path, *, is_prefixed: bool) -> None:
    """Download a target, and keep it only if it is what was signed (5.7)."""
    if target.length > MAX_TARGET_BYTES:
        raise TargetTooLarge(f"'{target.path}' has {target.length} bytes, at most {MAX_TARGET_BYTES} are taken")
    folder, slash, name = target.path.rpartition("/")
    prefix = f"{next(iter(target.hashes.values()))}." if is_prefixed else ""
    data = files.fetch(quote(f"{folder}{slash}{prefix}{name}"), target.length)
    try:
        target.verify_length_and_hashes(data)
    except RepositoryError as error:
        raise HostileInput(f"'{target.path}' is not what was signed: {error}", field="target_name") from error
    durable.make_folder(place.parent)
    durable.replace(place, data)


def _is_here(place: Path, target: TargetFile) -> bool:
    try:
        with place.open("rb") as file:
            target.verify_length_and_hashes(file)
    except (OSError, RepositoryError):
        return False
    return True


def _now() -> datetime:
    return datetime.now(UTC)
