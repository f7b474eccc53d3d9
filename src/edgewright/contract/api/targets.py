"""Targets: kinds of hardware with their runtime, as TOML files describe them and as the hub tells of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from edgewright.contract.api.optimization import Constraints, ModelFormat
from edgewright.contract.manifest import Integer, Runtime
from edgewright.contract.wire import Name

MAX_TOML_CHARS = 32_768


class HardwareClass(StrEnum):
    """Families of hardware."""

    CPU = "cpu"
    GPU = "gpu"
    NPU = "npu"
    SINGLE_BOARD = "single-board"
    MOBILE = "mobile"
    MICROCONTROLLER = "microcontroller"


class Dtype(StrEnum):
    """Element types that a target computes in."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    INT16 = "int16"
    INT8 = "int8"


class Signedness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the target's integer kernels want."""

    weights: Integer
    activations: Integer


class Accelerator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What computes beside the CPU. `type` is its family ('ethos-u55'), `config` which one of it ('ethos-u55-128').

    `system_config` and `memory_mode` name sections of the compiler's own configuration (Vela).
    """

    type: str
    config: str
    system_config: str = ""
    memory_mode: str = ""


class RegionKind(StrEnum):
    """What a region of memory is."""

    FLASH = "flash"
    SRAM = "sram"
    TCM = "tcm"  # tightly coupled: as quick as the core
    DRAM = "dram"


class MemoryRegion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Memory of a microcontroller, as its data sheet names it."""

    name: str
    kind: RegionKind
    size_bytes: int


class Toolchain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What compiles for the target, and with which flags. `missing` says why it cannot be had here, where it cannot:
    the search skips what needs it, with that reason.
    """

    name: str
    flags: tuple[str, ...] = ()
    missing: str = ""


class SlotKind(StrEnum):
    """How a device keeps two versions of a model."""

    FOLDERS = "folders"  # of a file system
    MCUBOOT = "mcuboot"  # partitions of flash


class SlotLayout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the device keeps models. `size_bytes` is that of one slot; 0 for folders, which the disk bounds."""

    kind: SlotKind
    count: int = 2
    size_bytes: int = 0


class Rates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one core was measured to do in a second, and where and when. A multiplication that is added to a sum
    counts as two operations.
    """

    fp32_gflops: float
    int8_gops: float
    memory_gb_s: float
    where: str
    when: str  # ISO 8601, UTC


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of hardware. Zeros and empty strings stand for what is not known or does not apply.

    `arch` lists machine names as `uname -m` prints them, for microcontrollers the architecture ('armv7e-m'); where
    `hardware_ids` is not empty, a device must have one of them too (devicetree `compatible` strings). `ram_bytes` is
    what the smallest machine of the kind has. `operators` are those of ONNX that the way to its runtime takes;
    none named: all.
    """

    id: Name
    title: str
    hardware_class: HardwareClass = msgspec.field(name="class")
    arch: tuple[str, ...]
    runtime: Runtime
    format: ModelFormat
    dtypes: tuple[Dtype, ...]
    opset: int  # the newest that the oldest allowed runtime reads
    ram_bytes: int
    hardware_ids: tuple[str, ...] = ()
    isa: tuple[str, ...] = ()
    cores: int = 0
    clock_hz: int = 0
    flash_bytes: int = 0
    power_mw: int = 0
    emulator: str = ""
    operators: tuple[str, ...] = ()
    memory_regions: tuple[MemoryRegion, ...] = ()
    quantisation: Signedness | None = None
    accelerator: Accelerator | None = None
    toolchain: Toolchain | None = None
    slots: SlotLayout | None = None
    constraints: Constraints = Constraints()
    probe: Rates | None = None

    @property
    def is_microcontroller(self) -> bool:
        """Whether no operating system runs there, so that a model's memory is its arena alone."""
        return self.hardware_class is HardwareClass.MICROCONTROLLER


class TargetRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A target as the hub knows it.

    `profile` is whole, with what it inherits; `told_by` says for every field that a base told the base's id. `bases`
    are those it inherits from, the nearest first. `added_by` is "" for those of the library.
    """

    id: str
    title: str
    arch: tuple[str, ...]
    runtime: str
    provider: str
    dtypes: tuple[str, ...]
    ram_bytes: int
    profile: Target
    bases: tuple[str, ...] = ()
    told_by: dict[str, str] = {}
    added_by: str = ""
    added_at: float | None = None
    used_by: tuple[str, ...] = ()  # what keeps it from being removed: variants, and targets that inherit from it


class TargetDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A target of one's own: the text of its TOML file, and the file's name, for messages."""

    file: Name = "target.toml"
    toml: Annotated[str, msgspec.Meta(max_length=MAX_TOML_CHARS)]
