"""Names, and what may be registered: the registry's pure rules."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edgewright.contract.api import ModelFormat
from edgewright.contract.errors import HostileInput, InvalidInput, NotFound
from edgewright.contract.manifest import File, Role, check_files
from edgewright.contract.preprocessing import tables
from edgewright.contract.tensors import Contract

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


MODEL_FILES = {ModelFormat.ONNX: "model.onnx", ModelFormat.TFLITE: "model.tflite"}
GOLDEN_FILE, REFERENCE_FILE = "golden.safetensors", "reference.bin"
"""What packages call the files that the hub makes."""

FILE_ROLES = (Role.LABELS, Role.ASSET)
"""What people may add to a version."""


class UnknownModel(NotFound):
    code = "unknown_model"
    hint = "`edgewright model ls` lists the models."


class UnknownVersion(NotFound):
    code = "unknown_version"
    hint = "`edgewright model show NAME` lists its versions."


def check_name(name: str, field: str) -> str:
    """Return `name` if a model or dataset may have it; raises InvalidInput."""
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"'{name[:80]}' is no name",
            field=field,
            hint="A name has 1 to 40 lower-case letters, digits and '-', and begins with a letter.",
        )
    return name


def check_version_files(files: tuple[File, ...]) -> None:
    """Raise InvalidInput unless these files can go into packages beside those that the hub makes."""
    for file in files:
        if file.role not in FILE_ROLES:
            hint = f"Choose one of {', '.join(FILE_ROLES)}."
            raise InvalidInput(f"{file.name} cannot be the {file.role} file", field="files.role", hint=hint)
    try:
        for model_file in MODEL_FILES.values():
            check_files((*files, *_made_here(model_file)))
    except HostileInput as error:
        raise InvalidInput(f"these files cannot lie in one package: {error.message}", field=error.field) from error


def tables_of(contract: Contract, files: Iterable[File]) -> dict[str, str]:
    """The digests of the files that the contract's steps need, by name; raises InvalidInput for one that is missing."""
    assets = {file.name: file.sha256 for file in files if file.role is Role.ASSET}
    for name in sorted(tables(contract.preprocessing) - set(assets)):
        hint = f"Register it with the version: --file {name}:asset."
        message = f"a step needs the table '{name}', which is no asset of this version"
        raise InvalidInput(message, field="contract.preprocessing", hint=hint)
    return {name: assets[name] for name in tables(contract.preprocessing)}


def _made_here(model_file: str) -> Iterable[File]:
    roles = {model_file: Role.MODEL, GOLDEN_FILE: Role.GOLDEN, REFERENCE_FILE: Role.REFERENCE}
    return (File(name=name, role=role, sha256="", size_bytes=0) for name, role in roles.items())
