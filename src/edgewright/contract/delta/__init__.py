"""Tensor-aware deltas between two files, lossless to the bit; the format is told in docs/reference/delta.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgewright.contract.delta.applier import apply
    from edgewright.contract.delta.format import WrongBase
    from edgewright.contract.delta.maker import DeltaStats, Operation, TensorStats, make, stats

__all__ = ["DeltaStats", "Operation", "TensorStats", "WrongBase", "apply", "make", "stats"]


def __getattr__(name: str) -> Any:
    """Load each side when it is asked for: a device applies and never loads the maker, nor numpy before it must."""
    if name == "apply":
        from edgewright.contract.delta.applier import apply

        return apply
    if name == "WrongBase":
        from edgewright.contract.delta.format import WrongBase

        return WrongBase
    if name in __all__:  # all the rest is the maker's
        from edgewright.contract.delta import maker

        return getattr(maker, name)
    raise AttributeError(name)
