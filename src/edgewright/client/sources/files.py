"""Files as sources: what is refused before an upload, and tensors beside an ONNX file taken into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgewright.client.sources.command import needs_command
from edgewright.client.sources.model import FIELD, Source
from edgewright.contract.errors import InvalidInput
from edgewright.contract.sources import HEAD_BYTES, MAX_SOURCE_BYTES, foreign_kind, is_tflite

FROM_PYTHON = "from Python: client.models.register(NAME, model, example=X[:1])"
BY_COMMAND = "or let a command of yours make ONNX of it on this machine: --export 'python export.py'."
HINTS = {
    "torch": f"Register the module itself, {FROM_PYTHON}; {BY_COMMAND}",
    "estimator": f"Register the estimator itself, {FROM_PYTHON}; {BY_COMMAND}",
    "keras": f"Write TFLite (tf.lite.TFLiteConverter) or ONNX (tf2onnx); {BY_COMMAND}",
    "": f"Export to ONNX; {BY_COMMAND}",
}
FAMILIES = {
    ".pkl": "estimator",
    ".pickle": "estimator",
    ".joblib": "estimator",
    ".pt": "torch",
    ".pth": "torch",
    ".ckpt": "torch",
    ".h5": "keras",
    ".keras": "keras",
}
_SAFETENSORS_HEAD = b'{"'


def whole_file(path: Path, folder: Path) -> Source:
    """The file itself, or in `folder` a copy of it that holds what lay beside it.

    Raises InvalidInput for what no version can be made of: too large, a pickle or an archive, weights alone, tensors
    outside the model's folder. The hub looks deeper.
    """
    size_bytes, head = _seen(path)
    check_size(size_bytes)
    kind = foreign_kind(head)
    if kind or path.suffix in FAMILIES:
        what = kind or "of a kind that may hold code; Edgewright never loads pickles"
        raise InvalidInput(f"{path.name} is {what}", field=FIELD, hint=HINTS[FAMILIES.get(path.suffix, "")])
    if path.suffix == ".safetensors" or head[HEAD_BYTES:].startswith(_SAFETENSORS_HEAD):
        raise needs_command(path)
    return Source(path if is_tflite(head) else _embedded(path, folder))


def check_size(size_bytes: int) -> None:
    """Raise InvalidInput for a model that no hub takes."""
    if size_bytes > MAX_SOURCE_BYTES:
        raise InvalidInput(
            f"the model has {size_bytes:,} bytes; a hub takes at most {MAX_SOURCE_BYTES:,}",
            field=FIELD,
            hint="Edgewright is for edge devices: register a smaller model, e.g. one with fewer layers or in float16.",
        )


def _seen(path: Path) -> tuple[int, bytes]:
    """The length of a file, and its first bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES + len(_SAFETENSORS_HEAD))
        return path.stat().st_size, head
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror or error}", field="file") from error


def _embedded(path: Path, folder: Path) -> Path:
    """`path`, or a file with all that it names beside it. Without the library that reads ONNX the hub has to say so."""
    try:
        import onnx
    except ImportError:
        return path
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception:  # protobuf raises a class of its own: the hub says best what is wrong with the file
        return path
    beside = [tensor for tensor in _all_tensors(model) if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if not beside:
        return path
    places = {_place(path, tensor) for tensor in beside}
    check_size(path.stat().st_size + sum(place.stat().st_size for place in places))
    return _rewritten(path, folder / path.name)


def _all_tensors(model: Any) -> list[Any]:
    """Initializers and constants, those of inner graphs too."""
    tensors: list[Any] = []
    graphs = [model.graph, *model.functions]
    while graphs:
        graph = graphs.pop()
        tensors += getattr(graph, "initializer", ())
        for attribute in (attribute for node in graph.node for attribute in node.attribute):
            tensors += [attribute.t, *attribute.tensors]
            graphs += [attribute.g, *attribute.graphs] if attribute.HasField("g") else attribute.graphs
    return tensors


def _place(path: Path, tensor: Any) -> Path:
    """Where a tensor's bytes lie. Raises InvalidInput for any place but the model's own folder."""
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    folder = path.parent.resolve()
    place = (folder / location).resolve()
    if not location or not place.is_relative_to(folder):
        raise InvalidInput(
            f"tensor '{tensor.name}' lies in '{location}', outside the model's folder",
            field=FIELD,
            hint="Save the model as a single file: onnx.save(model, path, save_as_external_data=False).",
        )
    if not place.is_file():
        raise InvalidInput(
            f"tensor '{tensor.name}' lies in '{location}', which is not beside {path.name}",
            field=FIELD,
            hint=f"Put {location} into the model's folder: it belongs to the model.",
        )
    return place


def _rewritten(path: Path, whole: Path) -> Path:
    import onnx

    try:
        onnx.save(onnx.load(str(path)), str(whole), save_as_external_data=False)
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise InvalidInput(f"what lies beside {path.name} cannot be taken into it: {error}", field=FIELD) from error
    return whole
