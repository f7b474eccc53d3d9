"""Steps that misbehave, installed like anybody's plug-ins: crash, hang, take memory without end, and lie."""

from __future__ import annotations

from pathlib import Path

MODULE = """
import os, time
from typing import ClassVar
from edgewright.hub.optimize.model import Outcome
from edgewright.hub.optimize.steps import About, NoParams

GIB = 1024**3


class Crash:
    about: ClassVar = About(summary="dies of a signal")
    params: ClassVar = NoParams

    def apply(self, model, params, context):
        os.abort()


class Hang:
    about: ClassVar = About(summary="never ends", timeout_s=2.0)
    params: ClassVar = NoParams

    def apply(self, model, params, context):
        time.sleep(600)


class Greed:
    about: ClassVar = About(summary="takes all memory", memory_bytes=2 * GIB)
    params: ClassVar = NoParams

    def apply(self, model, params, context):
        kept = []
        while True:
            kept.append(bytearray(64 * 1024**2))


class Absent:
    about: ClassVar = About(summary="says that it left what it did not")
    params: ClassVar = NoParams

    def apply(self, model, params, context):
        return Outcome(path=str(context.folder / "absent"), note="nothing")


class Astray:
    about: ClassVar = About(summary="leaves a link to what is not its own")
    params: ClassVar = NoParams

    def apply(self, model, params, context):
        path = context.folder / "astray.onnx"
        path.symlink_to(model)
        return Outcome(path=str(path), note="a link")


class Nonsense:
    about: ClassVar = About(summary="estimates what is no number")
    params: ClassVar = NoParams

    def apply(self, model, params, context):
        path = context.folder / "nonsense.onnx"
        path.write_bytes(model.read_bytes())
        return Outcome(path=str(path), note="as it was", estimates={"cycles": float("nan")})


class Twice:
    about: ClassVar = About(summary="leaves a model that tells everything twice")
    params: ClassVar = NoParams

    def apply(self, model, params, context):
        import onnx

        made = onnx.load(model)
        told = made.graph.output[0]
        made.graph.node.add(op_type="Concat", input=["once", "once"], output=[told.name])
        made.graph.node[-1].attribute.add(name="axis", i=1, type=onnx.AttributeProto.INT)
        for node in made.graph.node[:-1]:
            node.output[:] = ["once" if name == told.name else name for name in node.output]
        told.type.tensor_type.shape.dim[1].Clear()
        path = context.folder / "twice.onnx"
        onnx.save(made, path)
        return Outcome(path=str(path), note="all of it twice")


class Slow:
    about: ClassVar = About(summary="takes its time")
    params: ClassVar = NoParams

    def apply(self, model, params, context):
        path = context.folder / "slow.onnx"
        path.write_bytes(model.read_bytes())
        hub = context.folder.parent.parent.parent
        while not (hub / "gate").exists():
            (hub / "waits").write_text(str(os.getpid()))
            time.sleep(0.05)
        return Outcome(path=str(path), note="waited")
"""


def install(folder: Path, monkeypatch) -> None:
    """Put the steps where hub and children find them: as a distribution on PYTHONPATH."""
    lay_out(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))


def lay_out(folder: Path) -> None:
    """Write the distribution into `folder`."""
    info = folder / "troubled-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "troubled_steps.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: troubled\nVersion: 1.0\n")
    kinds = ("Crash", "Hang", "Greed", "Slow", "Absent", "Astray", "Nonsense", "Twice")
    lines = [f"{kind.lower()} = troubled_steps:{kind}" for kind in kinds]
    (info / "entry_points.txt").write_text("[edgewright.steps]\n" + "\n".join(lines) + "\n")
