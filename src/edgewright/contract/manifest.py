"""The package manifest: what a device installs, in canonical bytes that release keys sign.

docs/reference/manifest.md tells every field and rule, for those who read or write manifests without this module.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from edgewright.contract import data_policy
from edgewright.contract.data_policy import DataPolicy
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.preprocessing import tables
from edgewright.contract.tensors import Contract
from edgewright.contract.wire import Amount, Count, Name, Ordinal, Sha256, Share, SizeBytes, Word, read_json

FORMAT = 3
MAX_MANIFEST_BYTES = 8 * 1024**2
MAX_FILES = 20_000
MAX_PACKAGE_BYTES = 16 * 1024**3
MAX_DEPENDENCIES = 32
MAX_ROW_ELEMENTS = 2**28
MAX_LABELS_BYTES = 4 * 1024**2
RESERVED_NAMES = frozenset({"manifest.json", "committed"})
"""What a slot holds beside the files of its package."""


class Role(StrEnum):
    """What a file of a package is for. A package has at most one of each, but any number of assets."""

    MODEL = "model"
    LABELS = "labels"  # UTF-8 text: the name of class i in line i
    GOLDEN = "golden"  # safetensors: 'in:<name>' and 'out:<name>' arrays
    REFERENCE = "reference"  # the profile schema: bin edges and counts of the training data
    ASSET = "asset"  # anything else: a vocabulary that a step of preprocessing needs, what an app wants to travel along


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One content-addressed file. `name` is a plain file name, never a path."""

    name: Name
    role: Role
    sha256: Sha256
    size_bytes: SizeBytes


class Runtime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The inference runtime that a package needs: versions from `minimum` up to, not including, `below`."""

    name: Word
    minimum: Word
    below: Word
    provider: Word = "CPUExecutionProvider"

    def takes(self, version: str) -> bool:
        """Whether an installed version will do; an empty `below` sets no upper bound."""
        found = _release(version)
        return _release(self.minimum) <= found and (not self.below or found < _release(self.below))


class Tolerance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a device's own runtime may stray from the golden outputs."""

    rtol: Amount
    atol: Amount
    min_argmax_agreement: Share


class Budgets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a device may spend on this model."""

    latency_p95_ms: Amount
    memory_bytes: Count


class Scheme(StrEnum):
    """When the scales of activations are found: beforehand on calibration rows, or row by row on the device."""

    STATIC = "static"
    DYNAMIC = "dynamic"


class Integer(StrEnum):
    """Eight-bit element types by their signedness."""

    S8 = "s8"
    U8 = "u8"


class Calibrator(StrEnum):
    """How static scales were found."""

    MIN_MAX = "min-max"
    ENTROPY = "entropy"
    PERCENTILE = "percentile"


class Quantisation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the recipe did to the numbers. A dynamic scheme has no calibrator, and no rows that it looked at."""

    scheme: Scheme
    weights: Integer
    activations: Integer
    is_per_channel: bool
    calibrator: Calibrator | None = None
    calibration_rows: Count = 0


class Dependency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another model that must serve on the device, from the release `minimum_counter` on."""

    model: Name
    minimum_counter: Ordinal


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A package. `counter` rises with every release of a model and never falls on a device.

    `hardware` lists machine architectures as `uname -m` prints them. Where `hardware_ids` is not empty, the device
    must have one of them (devicetree `compatible` strings, as 'brcm,bcm2712') beside the architecture.
    """

    format: int = FORMAT
    model: Name
    version: Ordinal
    counter: Ordinal
    target: Name
    hardware: tuple[Word, ...]
    hardware_class: Word = ""
    hardware_ids: tuple[Word, ...] = ()
    runtime: Runtime
    files: Annotated[tuple[File, ...], Meta(max_length=MAX_FILES)]
    contract: Contract
    budgets: Budgets
    tolerance: Tolerance
    quantisation: Quantisation | None = None
    recipe: tuple[str, ...]
    lineage_sha256: Sha256
    dependencies: Annotated[tuple[Dependency, ...], Meta(max_length=MAX_DEPENDENCIES)] = ()
    data: DataPolicy | msgspec.UnsetType = msgspec.UNSET  # without one, no sample leaves a device

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)

    def find(self, role: Role) -> File | None:
        """The file of that role (the first asset), or None."""
        return next((file for file in self.files if file.role is role), None)

    def file(self, role: Role) -> File:
        """The file of that role; raises HostileInput where the package has none."""
        found = self.find(role)
        if found is None:
            raise HostileInput(f"the package has no {role} file", field="files")
        return found


def encode(manifest: Manifest) -> bytes:
    """Canonical bytes: UTF-8 JSON, keys sorted at every depth, no white space. Equal manifests give equal bytes."""
    return msgspec.json.encode(manifest, order="sorted")


def decode(data: bytes) -> Manifest:
    """Parse a manifest from the wire. Raises HostileInput on anything but the canonical bytes of a sound manifest."""
    _require(len(data) <= MAX_MANIFEST_BYTES, "manifest", f"a manifest has at most {MAX_MANIFEST_BYTES} bytes")
    manifest = read_json(data, Manifest, "a manifest")
    known = f"manifest format {manifest.format} is not known; this agent reads {FORMAT}"
    _require(manifest.format == FORMAT, "format", known)
    _require(encode(manifest) == data, "manifest", "the manifest is not in canonical form")
    check_files(manifest.files)
    _check_dependencies(manifest)
    _check_contract(manifest.contract)
    _check_steps(manifest)
    _check_data(manifest)
    return manifest


def check_files(files: tuple[File, ...]) -> None:
    """Raise HostileInput unless these files can lie in one folder and serve: plain names that differ, bounded sizes.

    Names must differ even where a file system takes 'A' for 'a'.
    """
    names = {file.name.lower() for file in files}
    _require(len(names) == len(files) and all(is_plain_name(file.name) for file in files), "files.name", _NAMES)
    _require(names.isdisjoint(RESERVED_NAMES), "files.name", f"no file may be called {sorted(RESERVED_NAMES)}")
    total_bytes = sum(file.size_bytes for file in files)
    _require(total_bytes <= MAX_PACKAGE_BYTES, "files.size_bytes", f"a package has at most {MAX_PACKAGE_BYTES} bytes")
    roles = Counter(file.role for file in files if file.role is not Role.ASSET)
    double = next((role for role, count in roles.items() if count > 1), "")
    _require(not double, "files.role", f"a package has one {double} file at most")


def read_labels(data: bytes) -> tuple[str, ...]:
    """The class names in a labels file: UTF-8 text, the name of class i in line i. Raises HostileInput."""
    _require(len(data) <= MAX_LABELS_BYTES, "labels", f"a labels file has at most {MAX_LABELS_BYTES} bytes")
    try:
        return tuple(data.decode().removesuffix("\n").split("\n")) if data else ()
    except UnicodeDecodeError as error:
        raise HostileInput("the labels file is not UTF-8", field="labels") from error


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


_NAMES = "file names must be plain and differ"


def _check_dependencies(manifest: Manifest) -> None:
    models = [dependency.model for dependency in manifest.dependencies]
    are_others = len(set(models)) == len(models) and manifest.model not in models
    _require(are_others, "dependencies", "a package depends on each other model once at most, and not on its own")


def _check_contract(contract: Contract) -> None:
    """A row must fit into memory, as agents make one of zeros to warm a model up."""
    for spec in (*contract.inputs, *contract.outputs):
        axes = [axis for axis in spec.shape if axis is not None]
        is_bounded = len(spec.shape) <= 32 and all(0 <= axis <= MAX_ROW_ELEMENTS for axis in axes)
        fits = is_bounded and math.prod(axes) <= MAX_ROW_ELEMENTS
        _require(fits, "contract", f"a row of '{spec.name[:80]}' has more than {MAX_ROW_ELEMENTS} elements")


def _check_steps(manifest: Manifest) -> None:
    """The steps fit one another, and the tables that they need are there."""
    try:
        manifest.contract.prepared()
    except InvalidInput as error:
        raise HostileInput(error.message, field=error.field) from error
    there = {file.name for file in manifest.files if file.role is Role.ASSET}
    for name in sorted(tables(manifest.contract.preprocessing) - there):
        raise HostileInput(f"a step needs the asset '{name}', which is not there", field="contract.preprocessing")


def _check_data(manifest: Manifest) -> None:
    """The policy fits the contract, or a device would find out only when it is to send something."""
    if manifest.data is not msgspec.UNSET:
        try:
            data_policy.check(manifest.data, manifest.contract)
        except InvalidInput as error:
            raise HostileInput(error.message, field=error.field) from error


def _require(holds: bool, field: str, why: str) -> None:
    if not holds:
        raise HostileInput(why, field=field)
