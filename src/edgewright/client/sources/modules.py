"""Modules of torch as ONNX (torch.onnx, the exporter on torch.export)."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgewright.client.sources.examples import Arrays, arrays_of, confirm, repeated
from edgewright.client.sources.files import check_size
from edgewright.client.sources.model import FIELD, CannotConvert, MissingExtra, Source, versions
from edgewright.contract.errors import InvalidInput

OPSET = 18


def is_module(model: object) -> bool:
    """Whether it is a torch.nn.Module, without importing torch."""
    return any(kind.__module__ == "torch.nn.modules.module" for kind in type(model).__mro__)


def convert_module(model: Any, example: object, folder: Path) -> Source:
    """Write a module as it answers in evaluation as ONNX, for any number of rows.

    Inputs are called as the arguments of its forward; a single one as the example calls it.

    Raises MissingExtra, InvalidInput (no fitting example, too large) and CannotConvert, which names the operator.
    """
    try:
        import onnxscript  # noqa: F401 (the exporter needs it, and says so late)
        import torch
    except ImportError as error:
        raise MissingExtra("torch", error) from error
    check_size(sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values()))
    takes = list(inspect.signature(model.forward).parameters)
    rows = repeated(arrays_of(example, takes))
    path = folder / "model.onnx"
    with _evaluating(model), torch.no_grad(), _quiet():
        inputs = {name: torch.from_numpy(array) for name, array in _arguments(rows, takes).items()}
        expected = _answers(model, inputs)
        try:
            _export(model, inputs, list(rows), path)
        except Exception as error:  # the exporter raises what it meets in the user's code, too
            raise _refusal(error) from error
    confirm(path, rows, expected)
    return Source(path, environment=versions("torch", "onnxscript"))


def _arguments(rows: Arrays, takes: list[str]) -> Arrays:
    """The rows by the names of forward's arguments: a single input may have a name of its own."""
    return {takes[0]: next(iter(rows.values()))} if len(rows) == 1 and takes and not set(rows) & set(takes) else rows


def _export(model: Any, inputs: dict[str, Any], names: list[str], path: Path) -> None:
    import torch

    any_rows = {name: {0: torch.export.Dim.DYNAMIC} for name in inputs}
    program = torch.onnx.export(
        model,
        kwargs=inputs,
        dynamic_shapes=any_rows,
        input_names=names,
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("the exporter returned nothing")
    program.save(str(path), external_data=False)


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """The module in evaluation mode, and as it was afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, is_training in modes.items():
            module.training = is_training


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch tells its developers."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        unread = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(unread), contextlib.redirect_stderr(unread):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _answers(model: Any, inputs: dict[str, Any]) -> list[Any]:
    """What the module itself says, as arrays."""
    try:
        return [answer.cpu().numpy() for answer in _tensors(model(**inputs))]
    except Exception as error:  # the user's own code
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InvalidInput(f"the module does not take the example: {first}", field="example") from error


def _tensors(answer: Any) -> list[Any]:
    """Tensors in the order in which the exporter lists outputs."""
    if isinstance(answer, dict):
        return [tensor for value in answer.values() for tensor in _tensors(value)]
    if isinstance(answer, list | tuple):
        return [tensor for value in answer for tensor in _tensors(value)]
    return [answer]


def _refusal(error: BaseException) -> CannotConvert:
    """What torch's exporter says, in a sentence: the operator without a form in ONNX, or the line of code."""
    whole = _said(error)
    if found := re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", whole):
        return CannotConvert(
            f"the operator {found[1]} has no form in ONNX",
            field=FIELD,
            hint="Write that part of the module with other operators, or use it outside the model.",
        )
    if "data-dependent" in whole or "GuardOnDataDependent" in whole:
        return CannotConvert(
            "the module branches on the values of its inputs, which no fixed graph can do",
            field=FIELD,
            hint="Use torch.where in place of `if`, or torch.cond.",
        )
    if "specialized" in whole or "ConstraintViolation" in whole:
        return CannotConvert(
            "the module is written for a fixed number of rows",
            field=FIELD,
            hint="Let it use x.shape[0] where a number of rows stands; a view(1, …) or a loop over rows fixes it.",
        )
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return CannotConvert(f"torch cannot export the module: {first}", field=FIELD)


def _said(error: BaseException | None) -> str:
    """All that an error and its causes say."""
    said = []
    while error is not None:
        said.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return "\n".join(said)
