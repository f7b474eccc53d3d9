"""A user's project: what edgewright.toml says about a model, its data, its training and its rollout."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import msgspec

from edgewright.client.steps import PipelineTable, steps_of
from edgewright.client.triggering import triggers_of
from edgewright.contract.api import (
    BiasRules,
    Does,
    EvaluationRules,
    FileRef,
    GateDraft,
    JudgingRules,
    PipelineDraft,
    PromotionRules,
    StepDraft,
    StepPolicy,
    TriggerDraft,
)
from edgewright.contract.data_policy import DataPolicy
from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import File
from edgewright.contract.preprocessing import tables
from edgewright.contract.refinement import Refinement

FILE_NAME = "edgewright.toml"


class Naming(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    model: str
    task: str = "classification"


class Data(DataPolicy, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`path` is a folder with train.npz and holdout.npz, relative to the project; the rest is the data policy."""

    dataset: str
    path: str = "data"

    @property
    def policy(self) -> DataPolicy | None:
        """What may be done with what devices see; None where the project does not say."""
        told = DataPolicy(**{name: getattr(self, name) for name in DataPolicy.__struct_fields__})
        return None if told == DataPolicy() else told


class Train(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`code` holds files or globs, relative to the project."""

    command: str
    code: tuple[str, ...]
    timeout_s: float = 600.0
    seed: int = 0
    params: dict[str, Any] = {}


class Export(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes ONNX of weights, on the machine of who registers them: it reads EW_SOURCE and writes EW_OUTPUT."""

    command: str = ""
    timeout_s: float = 600.0


class Optimize(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    targets: tuple[str, ...] = ()


class Release(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    waves: tuple[int, ...] = ()
    group: str = "all"
    shadow_requests: int = GateDraft().shadow_requests
    shadow_agreement: float = GateDraft().shadow_agreement
    patience_s: float = GateDraft().patience_s

    @property
    def gate(self) -> GateDraft:
        """The gate of each wave."""
        return GateDraft(
            shadow_requests=self.shadow_requests,
            shadow_agreement=self.shadow_agreement,
            patience_s=self.patience_s,
        )


class Drift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    samples_per_device: int = 100
    min_labels: int = 200


class Project(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A project, as its file says it. Paths are relative to `folder`."""

    project: Naming
    data: Data
    train: Train
    export: Export = Export()
    optimize: Optimize = Optimize()
    contract: Refinement = Refinement()
    release: Release = Release()
    drift: Drift = Drift()
    evaluation: EvaluationRules = EvaluationRules()
    promotion: PromotionRules = PromotionRules()
    bias: BiasRules | None = None
    policy: StepPolicy | None = None
    trigger: tuple[dict[str, Any], ...] = ()
    pipeline_table: PipelineTable = msgspec.field(name="pipeline", default=PipelineTable())
    folder: Path = Path()

    @classmethod
    def read(cls, folder: Path) -> Project:
        """Read `folder`/edgewright.toml (or that file itself).

        Raises InvalidInput, which names the file and the key, and the key that was perhaps meant.
        """
        path = folder if folder.suffix == ".toml" else folder / FILE_NAME
        project = msgspec.structs.replace(_parsed(path), folder=path.parent)
        project.triggers()
        project.steps()
        return project

    @property
    def model(self) -> str:
        """The model that this project makes."""
        return self.project.model

    @property
    def data_folder(self) -> Path:
        """Where the data lies. Raises InvalidInput where there is none."""
        folder = self.folder / self.data.path
        if not folder.is_dir():
            raise self._wrong("data.path", f"there is no folder {folder}")
        return folder

    def code_files(self) -> list[tuple[str, Path]]:
        """The training code: relative name and path of every file. Raises InvalidInput for a pattern without any."""
        found: dict[str, Path] = {}
        for pattern in self.train.code:
            for path in self._matches(pattern):
                found[path.relative_to(self.folder).as_posix()] = path
        return sorted(found.items())

    def table_files(self) -> list[Path]:
        """The tables that steps of preprocessing need, from the project. Raises InvalidInput for a missing one."""
        paths = [self.folder / name for name in sorted(tables(self.contract.preprocessing))]
        for path in paths:
            if not path.is_file():
                raise self._wrong("contract.preprocessing", f"a step needs the table {path.name}; there is no {path}")
        return paths

    def pipeline(self, code: tuple[FileRef, ...], code_revision: str, files: tuple[File, ...] = ()) -> PipelineDraft:
        """The pipeline that the hub keeps, over uploaded code and tables."""
        return PipelineDraft(
            model=self.model,
            dataset=self.data.dataset,
            command=self.train.command,
            code=code,
            code_revision=code_revision,
            params=self.train.params,
            targets=self.optimize.targets,
            timeout_s=self.train.timeout_s,
            seed=self.train.seed,
            task=self.project.task,
            refinement=self.contract,
            files=files,
            steps=self.steps(),
            judging=JudgingRules(evaluation=self.evaluation, promotion=self.promotion, bias=self.bias),
        )

    def triggers(self) -> tuple[TriggerDraft, ...]:
        """What shall start runs of the pipeline. Raises InvalidInput, which names the key."""
        return triggers_of(self.trigger, self.model, self.folder / FILE_NAME)

    def steps(self) -> tuple[StepDraft, ...]:
        """What a run of the pipeline does, in the order of the file. Raises InvalidInput, which names the key."""
        collect = {"samples_per_device": self.drift.samples_per_device, "min_labels": self.drift.min_labels}
        roll_out = {"group": self.release.group, "waves": self.release.waves, "gate": self.release.gate}
        usual = {Does.COLLECT: collect, Does.ROLL_OUT: roll_out if self.release.waves else {}}
        return steps_of(self.pipeline_table, self.folder, self.train.timeout_s, msgspec.to_builtins(usual))

    def _matches(self, pattern: str) -> list[Path]:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise self._wrong("train.code", f"{pattern!r} leaves the project's folder")
        paths = [path for path in self.folder.glob(pattern) if path.is_file()]
        if not paths:
            raise self._wrong("train.code", f"no file matches {pattern!r} in {self.folder}")
        return paths

    def _wrong(self, key: str, what: str) -> InvalidInput:
        return InvalidInput(what, field=key, hint=f"Mend {key} in {self.folder / FILE_NAME}.")


def _parsed(path: Path) -> Project:
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidInput(
            f"there is no {path}", field=FILE_NAME, hint="Name the project's folder: --project DIR."
        ) from error
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: {error}", field=FILE_NAME) from error
    _check_keys(path, tree, Project, "", skip=("folder",))
    try:
        return msgspec.convert(tree, Project)
    except msgspec.ValidationError as error:
        what, key = _what_and_where(str(error))
        raise InvalidInput(f"{path}: {what}", field=key, hint=f"Mend {key} there.") from error


def _check_keys(
    path: Path, tree: dict[str, Any], kind: type[msgspec.Struct], above: str, skip: tuple[str, ...]
) -> None:
    """Raise InvalidInput for a key that `kind` does not know, at any depth, naming the nearest that it does."""
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind) if field.name not in skip}
    for key, value in tree.items():
        where = f"{above}{key}"
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"Did you mean {above}{near[0]}?" if near else f"Known here: {', '.join(fields)}."
            raise InvalidInput(f"{path}: there is no key {where}", field=where, hint=hint)
        for inner_where, inner, inner_kind in _structs(where, value, fields[key]):
            _check_keys(path, inner, inner_kind, f"{inner_where}.", ())


def _structs(where: str, value: Any, kind: Any) -> list[tuple[str, dict[str, Any], type[msgspec.Struct]]]:
    """The tables of known shape that lie in `value`: itself, or each that it holds by name."""
    if not isinstance(value, dict):
        return []
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [(where, value, kind)]
    of = next((one for one in get_args(kind) if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)
    if of is None:
        return []
    if isinstance(kind, UnionType):
        return [(where, value, of)]
    return [(f"{where}.{name}", inner, of) for name, inner in value.items() if isinstance(inner, dict)]


def _what_and_where(error: str) -> tuple[str, str]:
    """Split msgspec's sentence into what is wrong and the key that it is wrong at."""
    what, _, where = error.partition(" - at ")
    key = where.strip("`").removeprefix("$").lstrip(".")
    missing = re.search(r"missing required field `(\w+)`", what)
    if missing is None:
        return what[:1].lower() + what[1:], key or FILE_NAME
    key = f"{key}.{missing.group(1)}" if key else missing.group(1)
    return f"{key} is missing", key
