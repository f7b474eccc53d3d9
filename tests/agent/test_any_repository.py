"""The device's TUF client on repositories that are not a hub's: delegations, kinds of snapshots, hashes, the tuf verb.

The tuf-conformance suite (`make conformance`) asks for more, over HTTP; this is what must not break between its runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from origin import Disk
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)

from edgewright.agent.cli import main
from edgewright.agent.link.refresh import Repository, find_target, refresh
from edgewright.contract.errors import HostileInput, NotFound

NOW = datetime.now(UTC).replace(microsecond=0)
END = NOW + timedelta(days=30)


class Published:
    """A repository in memory: `delegate` and `add` change it, `publish` signs it anew."""

    def __init__(self, *, is_consistent: bool = True) -> None:
        self.signers = {name: CryptoSigner.generate_ecdsa() for name in ("root", "timestamp", "snapshot", "targets")}
        self.roles = {"targets": Targets(version=1, expires=END)}
        self.root = Root(version=1, expires=END, consistent_snapshot=is_consistent)
        for name, signer in self.signers.items():
            self.root.add_key(signer.public_key, name)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def delegate(self, parent: str, name: str, paths: Iterable[str], *, is_terminating: bool = False, **more) -> None:
        signer = self.signers[f"{parent} > {name}"] = CryptoSigner.generate_ed25519()
        delegator = self.roles[parent]
        delegator.delegations = delegator.delegations or Delegations({}, {})
        role = DelegatedRole(name, [], 1, is_terminating, list(paths) or None, **more)
        delegator.delegations.roles[name] = role
        delegator.add_key(signer.public_key, name)
        self.roles.setdefault(name, Targets(version=1, expires=END))

    def add(self, role: str, path: str, data: bytes) -> None:
        self.roles[role].targets[path] = TargetFile.from_data(path, data, ["sha512"])

    def publish(self, unsigned: Iterable[str] = ()) -> None:
        """Sign every role with all keys that anybody names for it, but those in `unsigned`."""
        metas = {}
        for name, role in self.roles.items():
            keys = [key for key in self.signers if key.rpartition(" > ")[2] == name and key not in unsigned]
            self._write(name, role, keys, 1)
            metas[f"{name}.json"] = MetaFile(1)
        self._write("snapshot", Snapshot(version=1, expires=END, meta=metas), ["snapshot"], 1)
        self._write("timestamp", Timestamp(version=1, expires=END, snapshot_meta=MetaFile(1)), ["timestamp"], 0)
        self.first = self._write("root", self.root, ["root"], 1)

    def fetch(self, name: str, max_bytes: int) -> bytes:
        self.asked.append(name)
        if name not in self.files:
            raise NotFound(name)
        return self.files[name]

    def client(self) -> Repository:
        return Repository(Disk({"root.json": self.first}), self.fetch)

    def find(self, path: str) -> bytes | None:
        """The SHA-512 that a fresh client finds, or None."""
        client = self.client()
        _, target = find_target(client, refresh(client, NOW), path, NOW)
        return target.hashes["sha512"] if target else None

    def walked(self, path: str) -> list[str]:
        """The delegated roles that a fresh client asks for `path`, in order."""
        self.asked.clear()
        self.find(path)
        return [name.removeprefix("1.").removesuffix(".json") for name in self.asked[4:]]

    def _write(self, name: str, signed: Root | Timestamp | Snapshot | Targets, keys: list[str], version: int) -> bytes:
        metadata = Metadata(signed)
        for key in keys:
            metadata.sign(self.signers[key], append=True)
        is_prefixed = version and (self.root.consistent_snapshot or name == "root")
        self.files[f"{version}." * bool(is_prefixed) + f"{quote(name, safe='')}.json"] = metadata.to_bytes()
        return metadata.to_bytes()


@pytest.fixture
def published() -> Published:
    return Published()


def test_roles_are_asked_depth_first_in_the_order_in_which_they_are_named(published):
    for parent, name in (("targets", "A"), ("targets", "B"), ("A", "C"), ("A", "D"), ("C", "A")):
        published.delegate(parent, name, ["*"])
    published.publish()

    assert published.walked("missing") == ["A", "C", "D", "B"]


def test_a_terminating_role_ends_the_search(published):
    published.delegate("targets", "A", ["*"], is_terminating=True)
    published.delegate("targets", "B", ["*"])
    published.add("B", "file", b"x")
    published.publish()

    assert published.find("file") is None


def test_a_role_is_asked_only_for_paths_that_are_delegated_to_it(published):
    published.delegate("targets", "A", ["a/*"])
    published.delegate("A", "B", ["b/*"])
    published.add("A", "b/file", b"x")
    published.add("B", "a/file", b"y")
    published.publish()

    assert published.find("b/file") is None
    assert published.find("a/file") is None
    assert published.walked("b/file") == []


def test_a_role_believed_for_one_delegator_is_not_believed_for_another(published):
    for parent in ("A", "B"):
        published.delegate("targets", parent, [f"{parent}/*"])
        published.delegate(parent, "shared", [f"{parent}/*"])
        published.add("shared", f"{parent}/file", b"x")
    published.publish(unsigned=["B > shared"])
    client = published.client()
    trusted, found = find_target(client, refresh(client, NOW), "A/file", NOW)

    assert found is not None
    with pytest.raises(HostileInput, match="shared was signed by 0/1 keys"):
        find_target(client, trusted, "B/file", NOW)


def test_hash_prefixes_and_bins_lead_to_their_role(published):
    published.delegate("targets", "low", [], path_hash_prefixes=[f"{digit:x}" for digit in range(16)])
    published.add("low", "file", b"x")
    published.publish()

    assert published.find("file") == published.roles["low"].targets["file"].hashes["sha512"]


def test_succinct_bins_lead_to_their_role(published):
    bins = SuccinctRoles([], 1, 2, "bin")
    published.roles["targets"].delegations = Delegations({}, None, bins)
    signer = CryptoSigner.generate_rsa()
    published.roles["targets"].add_key(signer.public_key)
    for name in bins.get_roles():
        published.signers[f"targets > {name}"] = signer
        published.roles[name] = Targets(version=1, expires=END)
    here = bins.get_role_for_target("file")
    published.add(here, "file", b"x")
    published.publish()

    assert published.walked("file") == [here]
    assert published.find("file") is not None


def test_a_repository_without_consistent_snapshots_has_plain_names():
    published = Published(is_consistent=False)
    published.delegate("targets", "../A", ["*"])
    published.add("../A", "file", b"x")
    published.publish()

    assert published.find("file") is not None
    assert published.asked == ["2.root.json", "timestamp.json", "snapshot.json", "targets.json", "..%2FA.json"]


@pytest.fixture
def served(tmp_path, published):
    """The repository over HTTP, with a target of 5 bytes."""
    published.add("targets", "a/b.txt", b"hello")
    published.publish()
    (tmp_path / "served" / "a").mkdir(parents=True)
    for name, data in published.files.items():
        (tmp_path / "served" / name).write_bytes(data)
    digest = published.roles["targets"].targets["a/b.txt"].hashes["sha512"]
    (tmp_path / "served" / "a" / f"{digest}.b.txt").write_bytes(b"hello")
    (tmp_path / "first.json").write_bytes(published.first)
    handler = partial(Quiet, directory=str(tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def tuf(folder: Path, url: str, *words: str) -> int:
    places = ["--metadata-dir", str(folder / "m"), "--metadata-url", url, "--target-base-url", url]
    return main(["tuf", *places, "--target-dir", str(folder / "t"), *words])


def test_the_tuf_verb_downloads_what_is_signed_and_nothing_else(tmp_path, served):
    assert tuf(tmp_path, served, "refresh") == 1  # nobody is trusted yet
    assert tuf(tmp_path, served, "init", str(tmp_path / "first.json")) == 0
    assert tuf(tmp_path, served, "refresh") == 0

    assert tuf(tmp_path, served, "--target-name", "a/b.txt", "download") == 0
    (found,) = (tmp_path / "t").iterdir()
    assert found.read_bytes() == b"hello"
    next((tmp_path / "served" / "a").iterdir()).write_bytes(b"HELLO")
    assert tuf(tmp_path, served, "--target-name", "a/b.txt", "download") == 0  # it is here already
    found.unlink()
    assert tuf(tmp_path, served, "--target-name", "a/b.txt", "download") == 1
    assert tuf(tmp_path, served, "--target-name", "a/none.txt", "download") == 1
    assert list((tmp_path / "t").iterdir()) == []


def test_the_tuf_verb_begins_with_no_root_that_does_not_vouch_for_itself(tmp_path):
    (tmp_path / "root.json").write_bytes(b"{}")

    assert tuf(tmp_path, "http://127.0.0.1:9", "init", str(tmp_path / "root.json")) == 1
    assert not (tmp_path / "m").exists()
