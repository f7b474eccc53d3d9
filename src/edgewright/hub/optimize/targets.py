"""Targets: kinds of hardware with their runtime, as TOML files in `targets/`, read and checked once."""

from __future__ import annotations

import difflib
import functools
from pathlib import Path

import msgspec

from edgewright.contract.api import TargetRecord
from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Runtime
from edgewright.hub.optimize.model import Precision, UnknownTarget

FOLDER = Path(__file__).parent / "targets"


class Quantisation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signedness that the target's integer kernels want: 's8' or 'u8'."""

    weights: str
    activations: str


class Accelerator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What computes beside the CPU."""

    type: str
    config: str = ""


class Constraints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a variant may cost. 0 stands for no limit, but for `max_metric_drop`, which is a share of accuracy."""

    latency_p95_ms: float = 0.0
    size_bytes: int = 0
    ram_bytes: int = 0
    max_metric_drop: float = 0.02


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of hardware. Zeros and empty strings stand for what is not known or does not apply.

    `arch` lists machine names as `uname -m` prints them; where `hardware_ids` is not empty, a device must have one of
    them too (devicetree `compatible` strings). `ram_bytes` is what the smallest machine of the kind has.
    """

    id: str
    title: str
    hardware_class: str = msgspec.field(name="class")
    arch: tuple[str, ...]
    hardware_ids: tuple[str, ...] = ()
    runtime: Runtime
    dtypes: tuple[str, ...]
    opset: int  # the newest that the oldest allowed runtime reads
    ram_bytes: int
    isa: tuple[str, ...] = ()
    clock_hz: int = 0
    cores: int = 0
    flash_bytes: int = 0
    power_mw: int = 0
    emulator: str = ""
    quantisation: Quantisation | None = None
    accelerator: Accelerator | None = None
    constraints: Constraints = Constraints()

    @property
    def precision(self) -> Precision:
        """What its recipes aim at."""
        return Precision.INT8 if self.quantisation is not None and "int8" in self.dtypes else Precision.FP32

    def record(self) -> TargetRecord:
        """What the API shows of it."""
        return TargetRecord(
            id=self.id,
            title=self.title,
            arch=self.arch,
            runtime=f"{self.runtime.name} >={self.runtime.minimum},<{self.runtime.below}",
            provider=self.runtime.provider,
            dtypes=self.dtypes,
            ram_bytes=self.ram_bytes,
        )


@functools.cache
def targets() -> dict[str, Target]:
    """Every target of the library, by id."""
    found = [read_target(path) for path in sorted(FOLDER.glob("*.toml"))]
    return {target.id: target for target in found}


def target(target_id: str) -> Target:
    """The target of that id; raises UnknownTarget, which names the nearest ones."""
    known = targets()
    if target_id in known:
        return known[target_id]
    near = difflib.get_close_matches(target_id, known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known targets: {', '.join(known)}."
    raise UnknownTarget(f"there is no target '{target_id[:80]}'", field="target", hint=hint)


def read_target(path: Path) -> Target:
    """Read one target file; raises InvalidInput naming file and field."""
    try:
        read = msgspec.toml.decode(path.read_bytes(), type=Target)
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"{path.name}: {error}", field="target") from error
    if read.id != path.stem:
        raise InvalidInput(f"{path.name}: its id is '{read.id}', not the file's name", field="target.id")
    return read
