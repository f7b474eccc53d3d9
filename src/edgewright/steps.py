"""Functions of a project as steps of its pipeline: `@edgewright.step` marks one, `python -m edgewright.steps` runs it.

    from edgewright import Arrays, step

    @step(outputs=("features.npz",))
    def features(train: Arrays, *, width: int = 8) -> Arrays:
        return {"x": train["x"][:, :width], "label": train["label"]}

A parameter before the star is a file of EW_INPUT_DIR: `train` of type Arrays is train.npz, one of type Path is the file
that `inputs` names for it. Those after the star are the step's parameters. What is returned goes into the outputs, one
after the other: Arrays into .npz, what JSON can say into .json, bytes and text as they are. Nothing is pickled.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from edgewright.contract.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np

    Arrays: TypeAlias = Mapping[str, np.ndarray]
    """The arrays of a .npz file, by name."""
else:
    Arrays = Mapping[str, Any]  # whoever marks a function need not load numpy

F = TypeVar("F", bound=Callable[..., Any])
MARK = "__edgewright_step__"
HINT = "See docs/reference/pipelines.md."


@dataclass(frozen=True)
class Marked:
    """What a function said of itself: files of its inputs by parameter, and files that it leaves, in order."""

    outputs: tuple[str, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)


def step(*, outputs: Sequence[str], inputs: Mapping[str, str] | None = None) -> Callable[[F], F]:
    """Mark a function as a step; it stays a function that one can call and test."""

    def mark(function: F) -> F:
        setattr(function, MARK, Marked(tuple(outputs), dict(inputs or {})))
        return function

    return mark


def run(where: str, environment: Mapping[str, str]) -> None:
    """Call 'file.py:function' with the files and parameters that the variables EW_ name, and write what it returns.

    Raises InvalidInput, which names the parameter or the output that does not fit.
    """
    function = _load(where)
    marked: Marked = getattr(function, MARK)
    settings = json.loads(environment.get("EW_PARAMS_JSON") or "{}")
    given = _arguments(function, marked, Path(environment["EW_INPUT_DIR"]), settings)
    returned = function(*given.args, **given.kwargs)
    folder = environment["EW_MODEL_DIR" if _makes_model(marked) else "EW_OUTPUT_DIR"]
    _write(returned, marked.outputs, Path(folder))


def _load(where: str) -> Callable[..., Any]:
    path, _, name = where.partition(":")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise InvalidInput(f"there is no file {path}", field="function", hint="Add it to the code of the project.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(Path(path).parent.resolve()))
    spec.loader.exec_module(module)
    function: Any = getattr(module, name, None)
    if not hasattr(function, MARK):
        raise InvalidInput(f"{path} has no step '{name}'", field="function", hint="Mark it with @edgewright.step.")
    return cast(Callable[..., Any], function)


def _arguments(
    function: Callable[..., Any], marked: Marked, folder: Path, settings: Mapping[str, Any]
) -> inspect.BoundArguments:
    hints = typing.get_type_hints(function)
    files, chosen = [], {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            if name in settings:
                chosen[name] = _typed(name, settings[name], hints.get(name, Any))
            elif parameter.default is inspect.Parameter.empty:
                raise InvalidInput(f"the step has no value for '{name}'", field=f"params.{name}", hint=HINT)
        else:
            files.append(_file(name, hints.get(name), marked, folder))
    return inspect.signature(function).bind(*files, **chosen)


def _typed(name: str, value: Any, kind: Any) -> Any:
    import msgspec

    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"'{name}' is {value!r}: {error}", field=f"params.{name}", hint=HINT) from error


def _file(name: str, kind: Any, marked: Marked, folder: Path) -> Any:
    is_path = kind is Path
    path = folder / marked.inputs.get(name, name if is_path else f"{name}.npz")
    if not path.is_file():
        known = ", ".join(sorted(found.name for found in folder.iterdir())[:8])
        raise InvalidInput(f"there is no {path.name} for '{name}'", field=f"inputs.{name}", hint=f"There is {known}.")
    return path if is_path else _read(path)


def _read(path: Path) -> Arrays:
    import numpy as np

    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _makes_model(marked: Marked) -> bool:
    return any(name.startswith("model.") for name in marked.outputs)


def _write(returned: Any, outputs: Sequence[str], folder: Path) -> None:
    values = returned if isinstance(returned, tuple) and len(outputs) != 1 else (returned,)
    if len(values) != len(outputs):
        said = f"the step returned {len(values)} values for {len(outputs)} outputs"
        raise InvalidInput(said, field="outputs", hint=f"Return, in this order: {', '.join(outputs)}.")
    for name, value in zip(outputs, values, strict=True):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_bytes(name, value))


def _bytes(name: str, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Path):
        return value.read_bytes()
    if name.endswith(".npz") and isinstance(value, Mapping):
        return _archive(name, value)
    if name.endswith(".json"):
        return json.dumps(value, allow_nan=False).encode()
    raise InvalidInput(f"{type(value).__name__} cannot become {name}", field=f"outputs.{name}", hint=HINT)


def _archive(name: str, arrays: Arrays) -> bytes:
    import io

    import numpy as np

    whole: dict[str, Any] = {key: np.asarray(array) for key, array in arrays.items()}
    if objects := [key for key, array in whole.items() if array.dtype.hasobject]:
        raise InvalidInput(f"'{objects[0]}' holds Python objects", field=f"outputs.{name}", hint="Give it a dtype.")
    file = io.BytesIO()
    np.savez(file, **whole)
    return file.getvalue()


if __name__ == "__main__":
    try:
        run(sys.argv[1], os.environ)
    except InvalidInput as error:
        sys.exit(f"{error.field}: {error.message} {error.hint}")
