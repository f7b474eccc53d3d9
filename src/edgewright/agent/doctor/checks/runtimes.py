"""The runtimes: installed, and able to load, each tried in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from edgewright import plugins
from edgewright.agent.disk import ModelFolder
from edgewright.agent.doctor.finding import Case, Finding, bad, ok, warn
from edgewright.agent.runtimes import GROUP, probe
from edgewright.agent.status import model_names
from edgewright.agent.system import start_bound
from edgewright.contract.errors import HostileInput

MAX_PROBE_S = 60.0


def installed(case: Case) -> Iterator[Finding]:
    """Every runtime that a model here needs loads."""
    needed = _needed(case)
    usable = 0
    for name in sorted({*plugins.names(GROUP), *needed}):
        finding = _probed(name, needed.get(name, ""))
        usable += finding is not None and finding.verdict == "ok"
        if finding is not None:
            yield finding
    if not usable:
        yield bad("runtimes", "no runtime loads: no model can serve", "pip install onnxruntime")


def _probed(name: str, model: str) -> Finding | None:
    """None for a runtime that is not here and that nobody needs."""
    child = start_bound([sys.executable, "-m", "edgewright.agent.runtimes.probe", name])
    try:
        line, _ = child.communicate(timeout=MAX_PROBE_S)
        found = probe.decode(line[: probe.MAX_LINE_BYTES])
    except (subprocess.TimeoutExpired, HostileInput):
        child.kill()
        child.communicate()
        help = f"Reinstall it: pip install --force-reinstall {name}; it may be built for another processor."
        told = bad if model else warn
        return told("runtimes", f"{name} does not load: its process ended with code {child.returncode}", help)
    if found.version:
        return ok("runtimes", f"{name} {found.version} computes with {', '.join(found.providers) or 'the processor'}")
    if not model:
        return None
    return bad("runtimes", f"{model} needs {name}: {found.reason}", f"pip install 'edgewright[{name}]'")


def _needed(case: Case) -> dict[str, str]:
    """Runtimes that models here need, each with one such model."""
    found: dict[str, str] = {}
    for model in model_names(case.root):
        folder = ModelFolder(case.root / "models" / model, model)
        for slot in ("a", "b"):
            manifest = folder.manifest(slot)
            if manifest is not None:
                found[manifest.runtime.name] = model
    return found
