"""Distils: a small network learns what the version's source says, whatever that is, and takes its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, StepContext

if TYPE_CHECKING:
    from edgewright.hub.optimize.steps.training.endings import Ending
    from edgewright.hub.optimize.steps.training.learning import Rows
    from edgewright.hub.optimize.steps.training.students import Seen


class DistillParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`width` scales the student's channels; `copies` are changed copies of each row to learn from."""

    width: Annotated[float, msgspec.Meta(gt=0, le=8)] = 1.25
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 15
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.01
    copies: Annotated[int, msgspec.Meta(ge=0, le=64)] = 15
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


class Distill:
    """A separable CNN for pictures, a 1-D CNN for windows, two hidden layers for columns, taught by the source."""

    about: ClassVar = About(
        summary="a small network learns what the source says, and takes its place",
        modules=("torch",),
        extra="torch",
        is_training=True,
        timeout_s=600.0,
        precision=Precision.INT8,
    )
    params: ClassVar[type[msgspec.Struct]] = DistillParams

    def apply(self, model: Path, params: DistillParams, context: StepContext) -> Outcome:
        """Draw a student for the model's input, teach it, and put what follows the model's scores behind it."""
        import torch

        from edgewright.hub.optimize.steps.training import torching
        from edgewright.hub.optimize.steps.training.endings import ending
        from edgewright.hub.optimize.steps.training.learning import Plan, Teacher, labelled, learn, lessons, settle

        seed = context.seed + params.seed
        settle(seed)
        source = torching.lifted(torching.look(model))
        rows = labelled(context, source.inputs)
        sees = seen(source, rows, context)
        teacher = Teacher(context.teacher or model, context.contract)
        end = ending(source, context.contract, teacher, rows)
        end.goal.targets(rows.truth)
        graph = torching.of(_drawn(source, sees, end, width=params.width, seed=seed))
        made = torching.network(graph, end.goal.at)
        taught = lessons(rows, end.goal, teacher, context, takes=made.inputs, copies=params.copies, seed=seed)
        loss = learn(made.module, taught, Plan(params.epochs, params.learning_rate, seed))
        drawn = torching.save(torching.write_back(graph, made), context.folder / "untidied.onnx")
        path = torching.save(torching.read(drawn, context).model, context.folder / "distill.onnx")
        drawn.unlink()
        note = (
            f"a student of {sum(weight.numel() for weight in made.module.parameters()):,} weights learned from "
            f"{len(taught):,} answers of the source in {params.epochs} epochs, loss {loss:.3f}"
        )
        return Outcome(path=str(path), note=note, tools={"torch": str(torch.__version__)})


def seen(source: Any, rows: Rows, context: StepContext) -> Seen:
    """What a student gets to see. Raises InvalidInput for more inputs than one, and for what is no number."""
    from edgewright.hub.optimize.steps.training.learning import layout_of
    from edgewright.hub.optimize.steps.training.students import Seen, spreads

    if len(source.inputs) != 1:
        named = ", ".join(source.inputs)
        raise InvalidInput(f"a student takes one input; the model takes {len(source.inputs)}: {named}", field="model")
    name = source.inputs[0]
    array = rows.inputs[name]
    if array.dtype.kind not in "fiu" or array.ndim < 2:
        raise InvalidInput(f"'{name}' is no table of numbers: no student is known for it", field="model")
    layout, row = layout_of(context, name, array)
    value = next(value for value in source.model.graph.input if value.name == name)
    shape = source.shapes[name]
    return Seen(name, value.type.tensor_type.elem_type, shape, layout, row, **spreads(array, layout))


def _drawn(source: Any, sees: Seen, end: Ending, *, width: float, seed: int) -> Any:
    """The untrained student as a model with the source's inputs and outputs."""
    from onnx import helper

    from edgewright.hub.optimize.steps.training.students import IR_VERSION, student

    nodes, tensors = student(
        sees,
        width=width,
        classes=end.goal.width,
        scores=end.goal.at,
        seed=seed,
        taken=end.names,
    )
    whole = source.model.graph
    inputs = [value for value in whole.input if value.name == sees.name]
    graph = helper.make_graph([*nodes, *end.nodes], "student", inputs, whole.output, [*tensors, *end.tensors])
    version = max(source.model.ir_version, IR_VERSION)
    return helper.make_model(graph, opset_imports=source.model.opset_import, ir_version=version)
