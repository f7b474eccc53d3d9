"""HTTP to a hub: typed requests and replies, uploads by digest, and the hub's errors as ours."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from edgewright import __version__
from edgewright.contract.api import FileRef
from edgewright.contract.errors import ErrorReply, HostileInput, InvalidInput, Told, Unreachable, UsageError

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

CONNECT_TIMEOUT_S = 5.0
REPLY_TIMEOUT_S = 60.0
CHUNK_BYTES = 256 * 1024


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """How far an upload of files is: `path` is the one in hand."""

    path: str
    sent_bytes: int
    total_bytes: int


OnUpload = Callable[[Upload], None]


class Transport:
    """One connection pool to one hub. Every method raises Unreachable, Told or HostileInput.

    A request's path is given in parts, which are quoted here; UsageError is raised for one that can be no name.
    `dry_run` asks the hub to check a change and to return what would be, without doing it.
    """

    def __init__(self, url: str, token: str) -> None:
        import httpx

        self.url = checked_url(url)
        timeout = httpx.Timeout(REPLY_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        self._http = httpx.Client(
            base_url=self.url, timeout=timeout, headers={"user-agent": f"edgewright/{__version__}"}
        )
        self.use_token(token)

    def use_token(self, token: str) -> None:
        """Send `token` from now on ("" for none)."""
        self._http.headers.pop("authorization", None)
        if token:
            self._http.headers["authorization"] = f"Bearer {token}"

    def get(self, *parts: str | int, into: type[T], **query: str | int | bool) -> T:
        """Fetch a record, or a list of them."""
        return _decoded(self._request("GET", _api(*parts), params=_words(query)), into)

    def post(self, *parts: str | int, body: object, into: type[T], dry_run: bool = False, **query: str) -> T:
        """Send a draft and return the record that it became, or would become."""
        reply = self._request(
            "POST",
            _api(*parts),
            params=_words({**query, "dry_run": True} if dry_run else {**query}),
            content=msgspec.json.encode(body),
            headers={"content-type": "application/json"},
        )
        return _decoded(reply, into)

    def delete(self, *parts: str | int, into: type[T], dry_run: bool = False) -> T:
        """Remove a record and return what it was."""
        query = _words({"dry_run": True} if dry_run else {})
        return _decoded(self._request("DELETE", _api(*parts), params=query), into)

    def health(self) -> dict[str, str]:
        """What the hub says of itself without a login: `status` and `version`."""
        return _decoded(self._request("GET", "/health"), dict[str, str])

    def has_blob(self, sha256: str) -> bool:
        """Whether the hub keeps a blob of that digest."""
        return self._send("HEAD", _api("blobs", sha256)).is_success  # a refusal comes with the PUT, in words

    def put_blob(self, sha256: str, content: bytes | Iterator[bytes], size_bytes: int) -> None:
        """Store bytes under their digest, which the hub checks."""
        headers = {"content-type": "application/octet-stream", "content-length": str(size_bytes)}
        self._request("PUT", _api("blobs", sha256), content=content, headers=headers)

    def put_file(self, *parts: str | int, path: Path, into: type[T], **query: str) -> T:
        """Send a file, in pieces, and return what became of it."""
        headers = {"content-type": "application/octet-stream", "content-length": str(path.stat().st_size)}
        reply = self._request("PUT", _api(*parts), params=_words({**query}), content=read_chunks(path), headers=headers)
        return _decoded(reply, into)

    def get_blob(self, sha256: str) -> bytes:
        """The bytes of that digest. Raises HostileInput where they do not have it."""
        data = self._request("GET", _api("blobs", sha256), follow_redirects=True).content
        if hashlib.sha256(data).hexdigest() != sha256:
            raise HostileInput(f"the hub sent bytes that are not those of blob {sha256}", field="sha256")
        return data

    def save_blob(self, sha256: str, size_bytes: int, path: Path) -> None:
        """Write the bytes of that digest to a new file, in pieces. Raises HostileInput for other or more bytes."""
        self.save(sha256, size_bytes, path, "blobs", sha256)

    def save(self, sha256: str, size_bytes: int, path: Path, *parts: str | int, **query: str) -> None:
        """As `save_blob`, from another door."""
        digest, come = hashlib.sha256(), 0
        with self._open(parts, query) as chunks, path.open("xb") as file:
            for chunk in chunks:
                come += len(chunk)
                if come > size_bytes:
                    raise HostileInput(f"blob {sha256} is longer than {size_bytes} bytes", field="size_bytes")
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            raise HostileInput(f"the hub sent bytes that are not those of blob {sha256}", field="sha256")

    def open_blob(self, sha256: str) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        """The bytes of that digest as they come, unchecked; also from where the hub sends who asks for blobs."""
        return self._open(("blobs", sha256), {})

    @contextlib.contextmanager
    def _open(self, parts: tuple[str | int, ...], query: dict[str, str]) -> Iterator[Iterator[bytes]]:
        import httpx

        try:
            params = _words({**query})
            with self._http.stream("GET", _api(*parts), params=params, follow_redirects=True) as reply:
                if not reply.is_success:
                    reply.read()
                    raise _told(self.url, reply)
                yield reply.iter_bytes(CHUNK_BYTES)
        except httpx.HTTPError as error:
            raise _unreachable(self.url, error) from error

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        reply = self._send(method, path, **options)
        if not reply.is_success:
            raise _told(self.url, reply)
        return reply

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        import httpx

        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise _unreachable(self.url, error) from error


def checked_url(url: str) -> str:
    """`url` without its last slash. Raises InvalidInput unless it is http(s)://host[:port][/path]."""
    try:
        seen = urlsplit(url)
        is_good = seen.scheme in ("http", "https") and bool(seen.hostname) and (seen.port or 0) >= 0
    except ValueError:
        is_good = False
    if not is_good:
        raise InvalidInput(
            f"{url!r} is not the address of a hub", field="hub", hint="Write it as http://127.0.0.1:8080."
        )
    return url.rstrip("/")


def describe_file(path: Path, name: str) -> FileRef:
    """Digest and size of a file, which is read in pieces. Raises InvalidInput where it cannot be read."""
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        for chunk in read_chunks(path):
            digest.update(chunk)
            size_bytes += len(chunk)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror or error}", field="file") from error
    return FileRef(path=name, sha256=digest.hexdigest(), size_bytes=size_bytes)


def read_chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, in pieces."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _api(*parts: str | int) -> str:
    return "/api/v1/" + "/".join(_quoted(str(part)) for part in parts)


def _quoted(part: str) -> str:
    if part in ("", ".", "..") or "/" in part:
        raise UsageError(f"{part!r} is no name", field="name", hint="A name is not empty and holds no '/'.")
    return quote(part, safe="@")


def _words(query: dict[str, str | int | bool]) -> dict[str, str]:
    """Query parameters as text; what is empty is left out."""
    words = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in query.items()}
    return {name: word for name, word in words.items() if word}


def _decoded(reply: httpx.Response, into: type[T]) -> T:
    try:
        return msgspec.json.decode(reply.content, type=into)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _not_a_hub(str(reply.url), f"its reply is not what this version expects: {error}") from error


def _told(url: str, reply: httpx.Response) -> Exception:
    try:
        told = msgspec.json.decode(reply.content, type=ErrorReply)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _not_a_hub(url, f"HTTP status {reply.status_code} without an error that we know")
    return Told(reply.status_code, told.error)


def _not_a_hub(url: str, why: str) -> HostileInput:
    return HostileInput(
        f"{url} does not answer like an Edgewright hub: {why}",
        hint="Check the address, and that hub and client have the same version (`edgewright version`).",
    )


def _unreachable(url: str, error: Exception) -> Unreachable:
    return Unreachable(
        f"no hub answers at {url}: {str(error) or type(error).__name__}",
        field="hub",
        hint="Start one with `edgewright hub up --dir DIR`, or name another with `edgewright login --hub URL`.",
    )
