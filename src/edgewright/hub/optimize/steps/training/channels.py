"""Prunes whole channels: layers become narrower, so the model is smaller and faster; it then learns to do with less."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, StepContext


class PruneChannelsParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ratio`: the share of each layer's channels to take away, so that a multiple of `round_to` is left.

    `copies` are changed copies of each row to learn from.
    """

    ratio: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    round_to: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 8
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.01
    copies: Annotated[int, msgspec.Meta(ge=0, le=64)] = 3
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


class PruneChannels:
    """Structured pruning by torch-pruning: groups of channels that depend on one another, those of least magnitude."""

    about: ClassVar = About(
        summary="whole channels go and the rest learns again: smaller and faster",
        modules=("torch", "torch_pruning"),
        extra="torch",
        is_training=True,
        timeout_s=600.0,
        precision=Precision.INT8,
    )
    params: ClassVar[type[msgspec.Struct]] = PruneChannelsParams

    def apply(self, model: Path, params: PruneChannelsParams, context: StepContext) -> Outcome:
        """Take channels away and train what is left on the context's rows, after what the model itself says."""
        import torch
        import torch_pruning

        from edgewright.hub.optimize.steps.training import torching
        from edgewright.hub.optimize.steps.training.learning import Plan, learn
        from edgewright.hub.optimize.steps.training.lecture import lecture

        seed = context.seed + params.seed
        held = lecture(torching.read(model, context), model, context, copies=params.copies, seed=seed)
        before = weight_count(held.network.module)
        narrow(held.network, held.lessons.inputs, params)
        loss = learn(held.network.module, held.lessons, Plan(params.epochs, params.learning_rate, seed))
        after = weight_count(held.network.module)
        made = torching.write_back(held.graph, held.network)
        path = torching.save(made, context.folder / "prune_channels.onnx")
        note = (
            f"{params.ratio:.0%} of the channels went, {before:,} weights became {after:,}; "
            f"{params.epochs} epochs on {len(held.lessons):,} rows, loss {loss:.3f}"
        )
        tools = {"torch": str(torch.__version__), "torch-pruning": str(torch_pruning.__version__)}
        return Outcome(path=str(path), note=note, tools=tools)


def narrow(network: Any, inputs: tuple[Any, ...], params: PruneChannelsParams) -> None:
    """Take away channels of every layer but the last, whose outputs are the answers. Raises InvalidInput."""
    import torch_pruning

    layers = [layer.module for layer in network.layers.values()]
    example = tuple(tensor[:2] for tensor in inputs)
    network.module.eval()
    try:
        pruner = torch_pruning.pruner.BasePruner(
            network.module,
            example,
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=params.ratio,
            round_to=params.round_to,
            ignored_layers=[layers[-1]],
        )
        pruner.step()
        network.module(*example)
    except (RuntimeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise InvalidInput(f"the channels of this model cannot be taken apart: {error}", field="model") from error


def weight_count(module: Any) -> int:
    """All numbers that train."""
    return sum(weight.numel() for weight in module.parameters())
