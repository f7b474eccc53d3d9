"""A package in a slot, opened for inference: verified, loaded by its runtime, and held to its contract."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgewright.agent.disk import MANIFEST
from edgewright.agent.runtimes import ModelUnreadable, Session, load_runtime
from edgewright.agent.serve.prepared import Prepared
from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.manifest import Manifest, Role
from edgewright.contract.tensors import Dtype, Kind, TensorSpec

_CHUNK_BYTES = 1024 * 1024


class Package:
    """A loaded package. `feeds` checks what goes in, `infer` prepares it and runs the model; both are thread-safe."""

    def __init__(self, folder: Path, manifest: Manifest, session: Session) -> None:
        self.folder = folder
        self.manifest = manifest
        self.contract = manifest.contract
        self.labels = _labels(folder, manifest)
        self.label = self.contract.output_of(Kind.LABEL)
        self.scores = self.contract.output_of(Kind.SCORES)
        self._session = session
        self._outputs = tuple(spec.name for spec in self.contract.outputs)
        self._has_extra_outputs = set(session.output_names) != set(self._outputs)
        self._expected = tuple((spec.name, _dtype(spec), _tail(spec)) for spec in self.contract.inputs)
        self._names = frozenset(spec.name for spec in self.contract.inputs)
        _check_names(manifest, session)

    def feeds(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """`inputs` as the contract says, copied only where a dtype is widened. Raises InvalidInput."""
        if len(inputs) == len(self._expected):
            rows = -1
            for name, dtype, tail in self._expected:
                array = inputs.get(name)
                if type(array) is not np.ndarray or array.dtype is not dtype or array.shape[1:] != tail:
                    break
                if rows not in (-1, array.shape[0]) or array.shape[0] == 0:
                    break
                rows = array.shape[0]
            else:
                return inputs
        return self._checked(inputs)

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The contract's outputs by name. Raises InferenceFailed."""
        outputs = self._session.run(feeds)
        return {name: outputs[name] for name in self._outputs} if self._has_extra_outputs else outputs

    def predicted(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """The class index of each row: the label, else the best score; None for a model without classes."""
        if self.label is not None:
            return outputs[self.label.name].reshape(-1)
        if self.scores is not None:
            return np.asarray(outputs[self.scores.name].argmax(axis=-1).reshape(-1))
        return None

    def best_scores(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The best score of each row; empty for a model without scores."""
        if self.scores is None:
            return np.empty(0)
        return np.asarray(outputs[self.scores.name].max(axis=-1).reshape(-1))

    def _checked(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        for name in inputs:
            if name not in self._names:
                known = ", ".join(sorted(self._names))
                raise InvalidInput(f"the model has no input '{name}'; it takes {known}", field=name)
        feeds = {spec.name: _fit(spec, inputs.get(spec.name)) for spec in self.contract.inputs}
        rows = {name: len(array) for name, array in feeds.items()}
        if len(set(rows.values())) > 1:
            odd = next(name for name, count in rows.items() if count != max(rows.values()))
            raise InvalidInput(f"all inputs need equally many rows, these have {rows}", field=odd)
        return feeds


def open_package(folder: Path, manifest_sha256: str = "") -> Package:
    """Verify the package in `folder` against its manifest (and that against its digest, if given), load and warm it.

    Raises ModelUnreadable, RuntimeUnfit, or HostileInput where the bytes are not those of the manifest.
    """
    manifest = read_manifest(folder, manifest_sha256)
    for file in manifest.files:
        _verify(folder / file.name, file)
    session = load_runtime(manifest.runtime).load(folder / manifest.file(Role.MODEL).name, manifest.runtime.provider)
    if manifest.contract.preprocessing:
        session = Prepared(session, manifest.contract, folder)
    package = Package(folder, manifest, session)
    _warm(package)
    return package


def read_manifest(folder: Path, manifest_sha256: str = "") -> Manifest:
    """The manifest in `folder`. Raises ModelUnreadable where there is none, HostileInput where it is another."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            data = file.read(manifests.MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise ModelUnreadable(f"no manifest in the slot: {error}") from error
    if manifest_sha256 and manifests.digest(data) != manifest_sha256:
        raise HostileInput("the slot holds another manifest than the agent installed", field="manifest")
    return manifests.decode(data)


def _labels(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """The class names: those of the labels file, else those of the contract, else none."""
    file = manifest.find(Role.LABELS)
    if file is not None:
        with (folder / file.name).open("rb") as opened:
            return manifests.read_labels(opened.read(manifests.MAX_LABELS_BYTES + 1))
    named = (manifest.contract.output_of(kind) for kind in (Kind.LABEL, Kind.SCORES))
    return next((spec.names for spec in named if spec is not None and spec.names), ())


def blank_row(manifest: Manifest) -> dict[str, np.ndarray]:
    """One row of zeros (of empty strings) for each input; free axes have length one."""
    return {
        spec.name: np.full([axis or 1 for axis in spec.shape], "" if spec.dtype is Dtype.STRING else 0, _dtype(spec))
        for spec in manifest.contract.inputs
    }


def _warm(package: Package) -> None:
    outputs = package.infer(blank_row(package.manifest))
    for spec in package.contract.outputs:
        if not isinstance(outputs[spec.name], np.ndarray):
            kind = type(outputs[spec.name]).__name__
            raise ModelUnreadable(f"the output '{spec.name}' is a {kind}, not an array", field=spec.name)


def _fit(spec: TensorSpec, array: np.ndarray | None) -> np.ndarray:
    if array is None:
        raise InvalidInput(f"the input '{spec.name}' is missing", field=spec.name)
    if not isinstance(array, np.ndarray):
        raise InvalidInput(
            f"the input '{spec.name}' is a {type(array).__name__}, not a numpy array",
            field=spec.name,
            hint=f"Pass numpy.asarray(..., dtype='{spec.dtype}').",
        )
    wanted = _dtype(spec)
    if array.dtype != wanted:
        array = _widen(spec, array, wanted)
    _check_shape(spec, array)
    return array


def _widen(spec: TensorSpec, array: np.ndarray, wanted: np.dtype) -> np.ndarray:
    if spec.dtype is Dtype.STRING and array.dtype.kind in "UO":
        return array
    if not np.can_cast(array.dtype, wanted, casting="safe"):
        raise InvalidInput(
            f"the input '{spec.name}' has dtype {array.dtype}, the contract says {spec.dtype}",
            field=spec.name,
            hint=f"Convert it where you can judge what is lost: {spec.name}.astype('{spec.dtype}').",
        )
    return array.astype(wanted)


def _check_shape(spec: TensorSpec, array: np.ndarray) -> None:
    fits = array.ndim == len(spec.shape) and all(
        wanted is None or wanted == given for wanted, given in zip(spec.shape, array.shape, strict=True)
    )
    if not fits or 0 in array.shape[:1]:
        wanted = "x".join("rows" if axis is None else str(axis) for axis in spec.shape)
        given = "x".join(map(str, array.shape)) or "no axis"
        raise InvalidInput(f"the input '{spec.name}' has shape {given}, the contract says {wanted}", field=spec.name)


def _check_names(manifest: Manifest, session: Session) -> None:
    contract = manifest.contract
    inputs = {spec.name for spec in contract.inputs}
    missing = [spec.name for spec in contract.outputs if spec.name not in session.output_names]
    if inputs != set(session.input_names) or missing:
        raise ModelUnreadable(
            f"the model takes {sorted(session.input_names)} and gives {sorted(session.output_names)}; the contract "
            f"says {sorted(inputs)} and {[spec.name for spec in contract.outputs]}",
            field="contract",
        )


def _verify(path: Path, file: manifests.File) -> None:
    hasher = hashlib.sha256()
    try:
        with path.open("rb") as opened:
            while chunk := opened.read(_CHUNK_BYTES):
                hasher.update(chunk)
    except OSError as error:
        raise ModelUnreadable(f"the slot lacks {file.name}: {error}", field="files") from error
    if hasher.hexdigest() != file.sha256:
        raise HostileInput(f"{file.name} does not have the bytes that its manifest names", field="files")


def _dtype(spec: TensorSpec) -> np.dtype:
    return np.dtype(object if spec.dtype is Dtype.STRING else spec.dtype.value)


def _tail(spec: TensorSpec) -> tuple[int | None, ...] | None:
    """The axes after the batch, to be compared at once; None where one of them is free."""
    if not spec.shape or spec.shape[0] is not None or None in spec.shape[1:]:
        return None
    return spec.shape[1:]
