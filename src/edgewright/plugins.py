"""The one loader of plug-ins: ours and yours come in through the same entry points."""

from __future__ import annotations

import functools
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from edgewright.contract.errors import NotFound


class PluginBroken(NotFound):
    """A plug-in is installed but cannot be imported."""

    code = "plugin_broken"
    hint = "Reinstall the package that brings it, with the extra that it needs."


def names(group: str) -> list[str]:
    """The plug-ins that are installed in `group` (such as 'edgewright.runtimes'), without importing any."""
    return sorted({point.name for point in entry_points(group=group)})


@functools.cache
def load(group: str, name: str) -> Any:
    """What the plug-in `name` of `group` names. Raises NotFound, or PluginBroken where its import fails.

    What was found once is remembered: to look through all installed distributions takes tens of milliseconds, which an
    app would feel whenever a model is swapped beneath it.
    """
    found = {point.name: point for point in entry_points(group=group)}
    if name not in found:
        installed = ", ".join(sorted(found)) or "none"
        raise NotFound(f"no plug-in '{name}' in {group}; installed: {installed}", field=group.rpartition(".")[2])
    return _import(found[name], group)


def _import(point: EntryPoint, group: str) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise PluginBroken(f"the plug-in '{point.name}' of {group} ({point.value}) does not load: {error}") from error
