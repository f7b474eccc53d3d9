"""Inference runtimes: one file for each, loaded by the name that a manifest gives (Protocol: contract/runtimes.py)."""

from __future__ import annotations

from typing import cast

from edgewright import plugins
from edgewright.contract.errors import EdgewrightError, NotFound, Refused
from edgewright.contract.manifest import Runtime as Needed
from edgewright.contract.runtimes import GROUP, Runtime, Session

__all__ = [
    "GROUP",
    "InferenceFailed",
    "ModelUnreadable",
    "Runtime",
    "RuntimeMissing",
    "RuntimeUnfit",
    "Session",
    "load_runtime",
    "start_runtime",
]


class ModelUnreadable(EdgewrightError):
    """The runtime cannot load these model files, or not with the provider that the package needs."""

    code = "model_unreadable"
    hint = "The package was built for another runtime or is damaged."


class InferenceFailed(EdgewrightError):
    """The runtime gave up on a request."""

    code = "inference_failed"


class RuntimeUnfit(Refused):
    """The installed runtime's version is outside what the package needs."""

    code = "runtime_unfit"
    hint = "Update the runtime on the device, or release a package for its version."


class RuntimeMissing(NotFound):
    """The plug-in is here; the runtime that it loads models with is not."""

    code = "runtime_missing"
    hint = "Install it: runtimes beside onnxruntime come with extras, as `pip install 'edgewright[openvino]'`."


def load_runtime(needed: Needed) -> Runtime:
    """The installed runtime that a manifest asks for. Raises NotFound or RuntimeUnfit."""
    runtime = start_runtime(needed.name)
    if not needed.takes(runtime.version):
        raise RuntimeUnfit(
            f"{needed.name} {runtime.version} is installed; the package needs {needed.minimum} up to {needed.below}",
            field="runtime",
        )
    return runtime


def start_runtime(name: str) -> Runtime:
    """The runtime of that name, imported. Raises NotFound where no plug-in has it, or what it stands for is missing."""
    kind = plugins.load(GROUP, name)
    try:
        return cast(Runtime, kind())
    except ImportError as error:
        raise RuntimeMissing(f"the runtime {name} is not installed: {error}", field="runtime") from error
