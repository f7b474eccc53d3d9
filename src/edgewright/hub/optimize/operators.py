"""Whether the way to a target's runtime takes every operator of a model, and whether it can be gone at all. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from edgewright.contract.api import ModelFormat, Target
from edgewright.contract.errors import InvalidInput, Refused

FOLDED = frozenset({"Constant", "ConstantOfShape", "Range", "Shape", "Size"})
"""What exporters compute from shapes alone: the step `clean` folds it, so it keeps no model from a target."""


class UnsupportedOperator(InvalidInput):
    """The runtime of a target does not know an operator of the model."""

    code = "unsupported_operator"


class WrongFormat(InvalidInput):
    """No step makes what the runtime of a target reads of this kind of source."""

    code = "wrong_format"
    hint = "Register the model as ONNX, or choose a target that runs .tflite files: `edgewright target ls`."


class ToolchainMissing(Refused):
    """What compiles for a target cannot be had."""

    code = "toolchain_missing"
    hint = "Choose another target of that hardware: see `edgewright target ls`."


def unsupported(op_types: Iterable[str], target: Target) -> tuple[str, ...]:
    """Those operators of an ONNX model that the target does not take, by name."""
    return tuple(sorted(set(op_types) - set(target.operators) - FOLDED)) if target.operators else ()


def check_operators(op_types: Iterable[str], target: Target, known: Iterable[Target]) -> None:
    """Raise UnsupportedOperator if the target lacks operators of an ONNX model; the hint names those of `known` that
    have them all.
    """
    wanted = tuple(op_types)
    missing = unsupported(wanted, target)
    if not missing:
        return
    able = sorted(other.id for other in known if not unsupported(wanted, other))
    verb = "knows it" if len(missing) == 1 else "knows them"
    are = "is" if len(missing) == 1 else "are"
    raise UnsupportedOperator(
        f"{', '.join(missing)} {are} not known to {target.runtime.name}, the runtime of {target.id}",
        field="targets",
        hint=f"{_listed(able)} {verb if len(able) == 1 else verb.replace('knows', 'know')}." if able else "",
    )


def check_format(source: ModelFormat, target: Target) -> None:
    """Raise WrongFormat where a source cannot become what the target's runtime reads: TFLite stays TFLite."""
    if source is ModelFormat.TFLITE and target.format is not ModelFormat.TFLITE:
        raise WrongFormat(f"the version is a .tflite file, and {target.id} runs {target.format} files", field="targets")


def check_toolchain(target: Target) -> None:
    """Raise ToolchainMissing where the target itself says why its compiler cannot be had."""
    if target.toolchain is not None and target.toolchain.missing:
        raise ToolchainMissing(f"nothing can be made for {target.id}: {target.toolchain.missing}", field="targets")


def _listed(names: list[str]) -> str:
    """At most eight of them, in a line."""
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
