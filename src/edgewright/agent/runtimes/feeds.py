"""Holds a request to what a model takes, for runtimes that would cast, or compute with what they were given before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from edgewright.agent.runtimes import InferenceFailed

if TYPE_CHECKING:
    import numpy as np


class Port(NamedTuple):
    """What one input of a model takes; None is an axis of free length."""

    name: str
    dtype: np.dtype
    shape: tuple[int | None, ...]


def check_feeds(ports: Mapping[str, Port], feeds: Mapping[str, np.ndarray]) -> None:
    """Raise InferenceFailed unless there is one array for each port, of its dtype and shape."""
    if feeds.keys() != ports.keys():
        raise InferenceFailed(f"the model takes {sorted(ports)}, the request has {sorted(feeds)}")
    for name, port in ports.items():
        array = feeds[name]
        if array.dtype != port.dtype:
            raise InferenceFailed(f"'{name}' takes {port.dtype}, not {array.dtype}", field=name)
        if not _fits(port.shape, array.shape):
            wanted = "x".join("n" if axis is None else str(axis) for axis in port.shape)
            given = "x".join(map(str, array.shape))
            raise InferenceFailed(f"'{name}' takes the shape {wanted}, not {given}", field=name)


def fixed_rows(ports: Iterable[Port]) -> int:
    """How many rows each request must have; 0: any number."""
    return next((port.shape[0] for port in ports if port.shape and port.shape[0] is not None), 0)


def _fits(wanted: tuple[int | None, ...], given: tuple[int, ...]) -> bool:
    return len(wanted) == len(given) and all(w in (None, g) for w, g in zip(wanted, given, strict=True))
