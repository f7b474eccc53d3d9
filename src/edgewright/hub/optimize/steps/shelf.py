"""The shelf: which steps there are here, what each says of itself, and what is missing for those that cannot run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import msgspec

from edgewright.contract.errors import EdgewrightError
from edgewright.hub.optimize.model import StepPlan
from edgewright.hub.optimize.steps import About, names, params_of, step


@dataclass(frozen=True)
class Shelf:
    """Steps by name. `missing` says in a sentence why one cannot run here; `params_of` checks a plan's parameters."""

    abouts: Mapping[str, About]
    missing: Mapping[str, str]
    params_of: Callable[[StepPlan], msgspec.Struct]


def stock(toolchains: Collection[str]) -> Shelf:
    """Look at every installed step, importing none of what it needs. `toolchains` are the names of those installed."""
    abouts: dict[str, About] = {}
    missing: dict[str, str] = {}
    for name in names():
        try:
            abouts[name] = step(name).about
        except EdgewrightError as error:
            missing[name] = error.message
        else:
            missing[name] = lack(name, abouts[name], toolchains)
    return Shelf(abouts, {name: why for name, why in missing.items() if why}, params_of)


def lack(name: str, about: About, toolchains: Collection[str]) -> str:
    """Why a step cannot run here, in a sentence; "" if it can."""
    lacks = [module for module in about.modules if not _is_there(module)]
    if lacks:
        is_, it = ("is", "it") if len(lacks) == 1 else ("are", "them")
        brings = f" (the extra {about.extra} brings {it})" if about.extra else ""
        return f"step {name} needs {' and '.join(lacks)}, which {is_} not installed{brings}"
    if about.toolchain and about.toolchain not in toolchains:
        install = f"edgewright hub toolchain install {about.toolchain}"
        return f"step {name} needs the toolchain {about.toolchain}, which is not installed ({install})"
    return ""


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False
