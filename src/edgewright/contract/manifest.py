"""The package manifest: what a device installs, in canonical bytes that release keys sign."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

import msgspec

from edgewright.contract.errors import HostileInput
from edgewright.contract.tensors import Contract

FORMAT = 1
MAX_MANIFEST_BYTES = 256 * 1024


class Role(StrEnum):
    """What a file of a package is for."""

    MODEL = "model"
    GOLDEN = "golden"  # safetensors: 'in:<name>' and 'out:<name>' arrays
    REFERENCE = "reference"  # the profile schema: bin edges and counts of the training data


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One content-addressed file. `name` is a plain file name, never a path."""

    name: str
    role: Role
    sha256: str
    size_bytes: int


class Runtime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The inference runtime that a package needs: versions from `minimum` up to, not including, `below`."""

    name: str
    minimum: str
    below: str
    provider: str = "CPUExecutionProvider"

    def takes(self, version: str) -> bool:
        """Whether an installed version will do; an empty `below` sets no upper bound."""
        found = _release(version)
        return _release(self.minimum) <= found and (not self.below or found < _release(self.below))


class Tolerance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a device's own runtime may stray from the golden outputs."""

    rtol: float
    atol: float
    min_argmax_agreement: float


class Budgets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a device may spend on this model."""

    latency_p95_ms: float
    memory_bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A package. `counter` rises with every release of a model and never falls on a device."""

    format: int = FORMAT
    model: str
    version: int
    counter: int
    target: str
    hardware: tuple[str, ...]  # machine architectures, as `uname -m` prints them
    runtime: Runtime
    files: tuple[File, ...]
    contract: Contract
    budgets: Budgets
    tolerance: Tolerance
    recipe: tuple[str, ...]
    lineage_sha256: str

    def file(self, role: Role) -> File:
        """The file of that role; raises HostileInput where the package has none."""
        for file in self.files:
            if file.role is role:
                return file
        raise HostileInput(f"the package has no {role} file", field="files")


def encode(manifest: Manifest) -> bytes:
    """Canonical bytes: JSON with sorted keys and no white space. Equal manifests give equal bytes."""
    return msgspec.json.encode(manifest, order="deterministic")


def decode(data: bytes) -> Manifest:
    """Parse a manifest from the wire. Raises HostileInput on anything but the canonical bytes of format 1."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise HostileInput(f"a manifest has at most {MAX_MANIFEST_BYTES} bytes, this one has {len(data)}")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HostileInput(f"not a manifest: {error}", field="manifest") from error
    if manifest.format != FORMAT:
        raise HostileInput(f"manifest format {manifest.format} is not known; this agent reads {FORMAT}", field="format")
    if encode(manifest) != data:
        raise HostileInput("the manifest is not in canonical form", field="manifest")
    names = [file.name for file in manifest.files]
    if len(set(names)) != len(names) or not all(map(is_plain_name, names)):
        raise HostileInput("file names must be plain and differ", field="files.name")
    return manifest


def digest(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def is_plain_name(name: str) -> bool:
    """Whether `name` is a file name that cannot leave its folder."""
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    return 0 < len(name) <= 100 and set(name) <= allowed and not name.startswith(".")


def _release(version: str) -> tuple[int, ...]:
    """The release numbers of a version: '1.23.2+cpu' is (1, 23, 2)."""
    found = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
