"""What an import would do, with everything verified that an import verifies, and nothing changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from edgewright.agent import states
from edgewright.agent.bundle.belief import Believed, Reader
from edgewright.agent.bundle.folder import BundleFolder, NoBundle
from edgewright.agent.disk import FileStore, Floors, Identity, ModelFolder, Settings, apps
from edgewright.agent.install import NotHere, lack, misfit, unsatisfied
from edgewright.agent.link import SignedTime, refresh
from edgewright.agent.states import ModelRecord, Step
from edgewright.contract.errors import EdgewrightError
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Install
from edgewright.contract.report import Capabilities


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """One install: `would` is install, nothing, refuse or wait; `read_bytes` is what it takes from the bundle."""

    model: str
    version: int
    counter: int
    would: str
    reason: str = ""
    read_bytes: int = 0


class _Unsaved:
    """A store whose writes are forgotten."""

    def __init__(self, below: refresh.Store) -> None:
        self._below = below
        self._written: dict[str, bytes] = {}

    def read(self, name: str) -> bytes | None:
        return self._written.get(name) or self._below.read(name)

    def write(self, name: str, data: bytes) -> None:
        self._written[name] = data


def preview(
    bundle: BundleFolder, root: Path, identity: Identity, settings: Settings, time: SignedTime, device: Capabilities
) -> list[Foreseen]:
    """Foresee an import, install by install; raises NoBundle, HostileInput."""
    stores = _Unsaved(FileStore(root / "tuf")), _Unsaved(Floors(root))
    repository = refresh.Repository(stores[0], bundle.tuf, stores[1])
    envelope = bundle.order(identity.device)
    if envelope is None:
        raise NoBundle(f"the bundle has no order for this device, {identity.device}", field="bundle")
    reader = Reader(bundle, repository, identity, settings, time)
    believed = reader.order(envelope)
    return [_foresee(reader, believed, install, root, device) for install in believed.order.installs]


def _foresee(reader: Reader, believed: Believed, install: Install, root: Path, device: Capabilities) -> Foreseen:
    folder = ModelFolder(root / "models" / install.model, install.model)
    record, _ = folder.load()
    known = {"model": install.model, "version": install.version, "counter": install.counter}
    if record.step not in (Step.IDLE, Step.REPORT):
        return msgspec.convert({**known, "would": "wait", "reason": f"another install is in {record.step}"}, Foreseen)
    if not states.is_wanted(record, install):
        return msgspec.convert({**known, "would": "nothing", "reason": _why_unwanted(record, install)}, Foreseen)
    manifest, data = reader.manifest(install, believed)
    refusal = misfit(manifest, device) or lack(manifest, lambda model: _counter_of(root, model))
    refusal = refusal or unsatisfied(manifest, apps.declarations(root, install.model))
    if refusal:
        return msgspec.convert({**known, "would": "refuse", "reason": refusal}, Foreseen)
    held = set(folder.held(record))
    sizes, trouble = _blobs(reader.bundle, manifest, install, held)
    told = {**known, "would": "wait" if trouble else "install", "reason": trouble, "read_bytes": len(data) + sizes}
    return msgspec.convert(told, Foreseen)


def _blobs(bundle: BundleFolder, manifest: Manifest, install: Install, held: set[str]) -> tuple[int, str]:
    """How many bytes the install would read, each blob hashed; and what of it is missing or damaged."""
    made = {fetch.result_sha256 for fetch in install.fetches}
    wanted = {fetch.sha256: fetch.size_bytes for fetch in install.fetches}
    wanted |= {file.sha256: file.size_bytes for file in manifest.files if file.sha256 not in made | held}
    total_bytes, odd = 0, []
    for sha256, size_bytes in wanted.items():
        total_bytes += size_bytes
        problem = _problem(bundle, sha256, size_bytes)
        if problem:
            odd.append(f"{sha256[:12]} {problem}")
    return total_bytes, f"the bundle is not whole: {', '.join(odd)}" if odd else ""


def _problem(bundle: BundleFolder, sha256: str, size_bytes: int) -> str:
    hashed, read_bytes = hashlib.sha256(), 0
    try:
        with bundle.body(sha256, 0) as chunks:
            for chunk in chunks:
                hashed.update(chunk)
                read_bytes += len(chunk)
                if read_bytes > size_bytes:
                    return "is too long"
    except NotHere:
        return "is missing"
    except (EdgewrightError, OSError) as error:
        return f"cannot be read ({error})"
    return "" if hashed.hexdigest() == sha256 else "is damaged"


def _why_unwanted(record: ModelRecord, install: Install) -> str:
    active = states.active_slot(record)
    if active is not None and active.manifest_sha256 == install.manifest_sha256:
        return "it serves already"
    if install.manifest_sha256 in record.rejected:
        return f"this device has rejected it: {record.rejected[install.manifest_sha256]}"
    return f"release {record.floor} was here" if install.counter < record.floor else "it has ended before"


def _counter_of(root: Path, model: str) -> int:
    active = states.active_slot(ModelFolder(root / "models" / model, model).load()[0])
    return active.counter if active else 0
