"""Transfers: the layers before the last stay as they are, and a new last one learns what the snapshot's rows say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
import numpy as np

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, StepContext

if TYPE_CHECKING:
    from edgewright.hub.optimize.steps.training.learning import Goal, Rows
    from edgewright.hub.optimize.steps.training.torching import Network

ENDINGS = frozenset({"Softmax", "LogSoftmax", "Sigmoid", "ArgMax", "Identity", "Cast", "ReduceMax"})
"""What may follow a head whose number of classes changes: nodes that do not know them."""

AT_ONCE = 256


class TransferParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`classes` of the new head; 0 stands for as many as the rows need: the model's own if they are of these."""

    classes: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.01
    copies: Annotated[int, msgspec.Meta(ge=0, le=64)] = 3
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


class Transfer:
    """A frozen backbone and a new head. Of the outputs, at most the number of classes changes."""

    about: ClassVar = About(
        summary="a new last layer learns from the rows; all others stay as they are",
        modules=("torch",),
        extra="torch",
        is_training=True,
        timeout_s=600.0,
        precision=Precision.INT8,
    )
    params: ClassVar[type[msgspec.Struct]] = TransferParams

    def apply(self, model: Path, params: TransferParams, context: StepContext) -> Outcome:
        """Compute once what the backbone makes of the rows, and train a new head on that."""
        import torch

        from edgewright.hub.optimize.steps.training import torching
        from edgewright.hub.optimize.steps.training.learning import Plan, goal_of, labelled, learn, lessons, settle

        seed = context.seed + params.seed
        settle(seed)
        graph = torching.read(model, context)
        goal = goal_of(graph, context.contract)
        rows = labelled(context, graph.inputs)
        wanted = _wanted(goal, rows, params.classes)
        since = str(graph.weighted()[-1].input[0])
        backbone, head = torching.network(graph, since), torching.network(graph, goal.at, since)
        _renew(head, wanted.width)
        taught = lessons(rows, wanted, None, context, takes=backbone.inputs, copies=params.copies, seed=seed)
        seen = _seen(backbone, taught)
        loss = learn(head.module, seen, Plan(params.epochs, params.learning_rate, seed))
        made = torching.write_back(graph, head)
        _reshape(made, goal, wanted.width)
        path = torching.save(made, context.folder / "transfer.onnx")
        note = f"{_told(backbone, head, goal, wanted)}; {params.epochs} epochs on {len(seen):,} rows, loss {loss:.3f}"
        return Outcome(path=str(path), note=note, tools={"torch": str(torch.__version__)})


def _wanted(goal: Goal, rows: Rows, classes: int) -> Goal:
    """What the new head learns: the model's own classes if that will do, or else classes 0, 1, 2 …"""
    from edgewright.hub.optimize.steps.training.learning import Task

    if goal.task is Task.VALUES:
        return goal
    truth = rows.truth.reshape(-1)
    if not classes and set(truth.tolist()) <= set(goal.classes.tolist()):
        goal.targets(truth)
        return goal
    if truth.dtype.kind not in "iu":
        raise InvalidInput(f"classes of a new head are numbers from 0 on, not '{truth[0]}'", field="train.label")
    count = classes or int(truth.max()) + 1
    made = replace(goal, width=count, classes=np.arange(count))
    made.targets(truth)
    _check_ending(goal)
    return made


def _check_ending(goal: Goal) -> None:
    """Raise InvalidInput if what follows the scores knows how many they are."""
    nodes = goal.tail.nodes if goal.tail is not None else ()
    stiff = sorted({node.op_type for node in nodes} - ENDINGS)
    if goal.tail is None or stiff or goal.width < 2:
        named = ", ".join(stiff) or f"{goal.width} score"
        said = f"what follows the scores fits {len(goal.classes)} classes only ({named})"
        raise InvalidInput(said, field="recipe.transfer.classes", hint="Label the rows with the model's own classes.")


def _renew(head: Network, width: int) -> None:
    """Give the head no knowledge: its first layer gives `width` numbers now, all of them 0."""
    import torch

    weighted, *others = head.layers.values()
    for layer in (weighted, *others):
        for name in layer.sources:
            old = getattr(layer.module, name)
            setattr(layer.module, name, torch.nn.Parameter(torch.zeros(width, *old.shape[1:])))


def _seen(backbone: Network, taught: Any) -> Any:
    """The same lessons, as what the backbone makes of their rows."""
    import torch

    with torch.no_grad():
        whole = range(0, len(taught), AT_ONCE)
        parts = [backbone.module.eval()(*(each[at : at + AT_ONCE] for each in taught.inputs)) for at in whole]
    return replace(taught, inputs=(torch.cat(parts),))


def _reshape(model: Any, goal: Goal, width: int) -> None:
    """Let the outputs that have an axis of classes say how many there are now."""
    for value in model.graph.output:
        axes = value.type.tensor_type.shape.dim
        if len(axes) == 2 and axes[1].dim_value == goal.width:
            axes[1].dim_value = width


def _told(backbone: Network, head: Network, goal: Goal, wanted: Goal) -> str:
    frozen = ", ".join(layer.name for layer in backbone.layers.values()) or "no layer"
    name = next(iter(head.layers.values())).name
    return f"frozen: {frozen}; new: {name}, {wanted.width} outputs" + (
        f" instead of {goal.width}" if wanted.width != goal.width else ""
    )
