"""The [pipeline] of a project, as the steps that the hub is asked to keep."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from edgewright.contract.api import Does, StepDraft
from edgewright.contract.api.tasks import Limits, Place, Where
from edgewright.contract.errors import InvalidInput

USUAL = (Does.COLLECT, Does.TRAIN, Does.EVALUATE, Does.OPTIMISE, Does.PACKAGE, Does.ROLL_OUT)
"""The steps of a project that names none."""

Params = Mapping[str, Mapping[str, Any]]


class StepTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[pipeline.steps.NAME]. What it `does` is its name, where that is a built-in's, or else a command's work.

    `where` is "local", "ray", "ci", or labels that a worker must have.
    """

    does: Does | None = None
    command: str = ""
    function: str = ""
    needs: tuple[str, ...] | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    params: dict[str, Any] = {}
    where: str | dict[str, Any] = "local"
    timeout_s: float | None = None
    memory_bytes: int | None = None
    file_bytes: int | None = None
    disk_bytes: int | None = None
    processes: int | None = None
    output_bytes: int | None = None
    metrics: dict[str, str] = {}
    channels: dict[str, str] = {}
    arguments: bool = False
    parent: bool = True
    cache: bool = True


class PipelineTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[pipeline]: its steps in the order in which they stand."""

    steps: dict[str, StepTable] = {}


def steps_of(table: PipelineTable, folder: Path, timeout_s: float, usual: Params) -> tuple[StepDraft, ...]:
    """The steps; `usual` are parameters of built-in steps that other tables of the project set, by what they do.

    Raises InvalidInput, which names the key.
    """
    tables = table.steps or {str(does): StepTable() for does in USUAL}
    return tuple(_step(name, one, folder, timeout_s, usual) for name, one in tables.items())


def _step(name: str, table: StepTable, folder: Path, timeout_s: float, usual: Params) -> StepDraft:
    does = table.does or (Does(name) if name in list(Does) else Does.COMMAND)
    says = {field: getattr(table, field) for field in Limits.__struct_fields__}
    limits = {"timeout_s": timeout_s, **{field: value for field, value in says.items() if value is not None}}
    said = _marked(name, table.function, folder) if table.function else {}
    is_training = does in (Does.TRAIN, Does.TRANSFER)
    return StepDraft(
        name=name,
        does=does,
        command=table.command,
        function=table.function,
        needs=table.needs,
        inputs=table.inputs,
        outputs=() if is_training else table.outputs or said.get("outputs", ()),
        params={**usual.get(does, {}), **table.params},
        where=_where(name, table.where),
        limits=msgspec.convert(limits, Limits),
        metrics=table.metrics,
        channels=table.channels,
        has_arguments=table.arguments,
        has_parent=table.parent,
        is_cached=table.cache,
    )


def _where(name: str, said: str | dict[str, Any]) -> Where:
    field = f"pipeline.steps.{name}.where"
    if isinstance(said, str):
        if said not in list(Place):
            hint = f"Choose one of {', '.join(Place)}, or labels of workers: {{ gpu = true }}."
            raise InvalidInput(f"'{said}' is no place for a step", field=field, hint=hint)
        return Where(kind=Place(said))
    if "kind" in said:
        try:
            return msgspec.convert(said, Where)
        except msgspec.ValidationError as error:
            raise InvalidInput(str(error), field=field) from error
    labels = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in said.items()}
    return Where(kind=Place.WORKER, labels=labels)


def _marked(name: str, function: str, folder: Path) -> dict[str, tuple[str, ...]]:
    """What @edgewright.step says of a function's outputs, read from the text: nothing of the project is imported.

    Raises InvalidInput for a function that is not there, or not marked.
    """
    field = f"pipeline.steps.{name}.function"
    path, _, wanted = function.partition(":")
    try:
        tree = ast.parse((folder / path).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidInput(f"{folder / path} cannot be read: {error}", field=field) from error
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == wanted:
            return _said(node, field)
    raise InvalidInput(f"{folder / path} has no function '{wanted}'", field=field, hint="As in 'features.py:scale'.")


def _said(node: ast.FunctionDef, field: str) -> dict[str, tuple[str, ...]]:
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func).rpartition(".")[2] == "step":
            given = {key.arg: key.value for key in mark.keywords}
            try:
                return {"outputs": tuple(ast.literal_eval(given["outputs"]))}
            except (KeyError, ValueError, TypeError) as error:
                hint = 'Write the names of its files themselves: outputs=("features.npz",).'
                raise InvalidInput(
                    f"'{node.name}' says of no file that it leaves it", field=field, hint=hint
                ) from error
    raise InvalidInput(f"'{node.name}' is no step", field=field, hint="Mark it with @edgewright.step.")
