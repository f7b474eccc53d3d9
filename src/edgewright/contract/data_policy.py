"""The data policy of a model: whether samples may leave a device, which inputs, redacted how, for what and how long.

It lies in the manifest, which release keys sign: a hub that is taken over cannot ask a device for more than people
signed. docs/reference/data.md tells every field and step; `redaction` does them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from edgewright.contract.dtype import Dtype
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, TensorSpec
from edgewright.contract.wire import SizeBytes, Text, Word

MAX_STEPS = 32
MAX_COLUMNS = 4096
MAX_SIDE = 65_535
MAX_RETENTION_DAYS = 36_500
BY_REFERENCE = "reference"
"""As the `subject` of a policy: the app's reference of a request, up to its first '/', names whom it is about."""

Side = Annotated[int, Meta(ge=1, le=MAX_SIDE)]
Place = Annotated[int, Meta(ge=0, le=MAX_SIDE)]
Column = Word | Annotated[int, Meta(ge=0, le=2**31)]
Columns = Annotated[tuple[Column, ...], Meta(max_length=MAX_COLUMNS)]


class Area(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rectangle of an image, in pixels."""

    top: Place
    left: Place
    height: Side
    width: Side


class _Of(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="step"):
    """A step changes one input, in place: its shape and type stay, so that a sample remains a row of the contract."""

    input: Word


class Blank(_Of, frozen=True, kw_only=True, tag="blank"):
    """These columns (all, where none is named) become `value`; text becomes empty."""

    columns: Columns = ()
    value: float = 0.0


class Hash(_Of, frozen=True, kw_only=True, tag="hash"):
    """Text becomes 16 hexadecimal digits of its salted SHA-256, a whole number 31 bits of it: equal stays equal."""

    columns: Columns = ()
    salt: Word = ""


class Round(_Of, frozen=True, kw_only=True, tag="round"):
    """Numbers become the nearest multiple of `to`: an age of 43 in steps of 10 becomes 40."""

    columns: Columns = ()
    to: Annotated[float, Meta(gt=0, le=1e18)]


class Crop(_Of, frozen=True, kw_only=True, tag="crop"):
    """What lies outside `area` becomes `value`."""

    area: Area
    value: float = 0.0


class Cover(_Of, frozen=True, kw_only=True, tag="cover"):
    """What lies inside `area` becomes `value`: a name burnt into a picture, a door."""

    area: Area
    value: float = 0.0


class Blur(_Of, frozen=True, kw_only=True, tag="blur"):
    """Each pixel (of `area`, or of all) becomes the mean of the square of 2·radius + 1 pixels around it."""

    radius: Annotated[int, Meta(ge=1, le=1024)]
    area: Area | None = None


class Downscale(_Of, frozen=True, kw_only=True, tag="downscale"):
    """Each block of factor x factor pixels (of `area`, or of all) becomes its mean."""

    factor: Annotated[int, Meta(ge=2, le=1024)]
    area: Area | None = None


Redaction = Blank | Hash | Round | Crop | Cover | Blur | Downscale
_PICTURE = (Crop, Cover, Blur, Downscale)


class Privacy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a device does to a window's profile before it leaves: see docs/reference/profiles.md, "Noise".

    `epsilon_milli` is the epsilon of one window in thousandths; 0 for no noise. `daily_milli` bounds their sum over a
    day: once it is spent, a window stays open until the next; 0 for no bound. Of the words and codes of inputs, and of
    predicted classes, those with fewer than `min_category_rows` rows in a window are counted as 'other'.
    """

    epsilon_milli: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    daily_milli: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    min_category_rows: Annotated[int, Meta(ge=0, le=1_000_000)] = 10


class DataPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be done with what a model's devices see. Without a policy, no sample leaves a device.

    `inputs` are those that leave; () means all. `subject` says how a sample tells of whom it is: 'reference', or the
    name of an input; what leaves the device is a key, `subject_key`. `groups` name inputs with one value a row, or
    columns of inputs, whose values come along as groups to compare.
    """

    may_leave: bool = False
    inputs: Annotated[tuple[Word, ...], Meta(max_length=256)] = ()
    redaction: Annotated[tuple[Redaction, ...], Meta(max_length=MAX_STEPS)] = ()
    is_redactor_needed: bool = False  # only devices with a redactor of their own send samples
    is_reference_hashed: bool = False
    subject: Word = ""
    groups: Annotated[tuple[Word, ...], Meta(max_length=8)] = ()
    purpose: Text = ""
    retention_days: Annotated[float, Meta(ge=0, le=MAX_RETENTION_DAYS)] = 0.0  # 0: until somebody deletes them
    max_bytes_per_day: SizeBytes = 0  # of one device; 0: no bound but that of its line
    privacy: Privacy | msgspec.UnsetType = msgspec.UNSET  # of profiles, which leave without a policy, too

    def leaving(self, contract: Contract) -> tuple[TensorSpec, ...]:
        """The inputs that leave the device, in the contract's order."""
        return tuple(spec for spec in contract.inputs if not self.inputs or spec.name in self.inputs)


def subject_key(subject: str) -> str:
    """What is kept in place of a subject's name: half of its SHA-256. A pseudonym, for names can be tried out."""
    return hashlib.sha256(b"edgewright subject\0" + subject.encode()).hexdigest()[:32]


def hashed_reference(reference: str) -> str:
    """What leaves a device in place of a reference where the policy says so."""
    return "sha256:" + hashlib.sha256(b"edgewright reference\0" + reference.encode()).hexdigest()[:32]


def check(policy: DataPolicy, contract: Contract, where: str = "data") -> None:
    """Raise InvalidInput, naming the field, unless the policy fits the contract."""
    specs = {spec.name: spec for spec in contract.inputs}
    for name in policy.inputs:
        _require(name in specs, f"{where}.inputs", f"the model has no input '{name}'", specs)
    for place, step in enumerate(policy.redaction):
        field = f"{where}.redaction[{place}]"
        _require(step.input in specs, f"{field}.input", f"the model has no input '{step.input}'", specs)
        _check_step(step, specs[step.input], field)
    if policy.subject not in ("", BY_REFERENCE):
        _require(policy.subject in specs, f"{where}.subject", f"the model has no input '{policy.subject}'", specs)
    for name in policy.groups:
        known = set(specs) | {column for spec in specs.values() for column in spec.names}
        _require(name in known, f"{where}.groups", f"no input and no column is called '{name}'", known)


def columns_of(step: Blank | Hash | Round, spec: TensorSpec) -> Iterator[int]:
    """The places of the columns that a step names; none where it names none. Raises InvalidInput."""
    for column in step.columns:
        if isinstance(column, int):
            yield column
        elif column in spec.names:
            yield spec.names.index(column)
        else:
            raise InvalidInput(f"'{spec.name}' has no column '{column}'", field="columns")


def sides(shape: tuple[int | None, ...], spec: TensorSpec) -> tuple[int, int, int, int] | None:
    """An image's row as (planes, height, width, channels), or None where the shape (without the batch) holds none."""
    height, width = spec.height, spec.width
    whole = [axis or 0 for axis in shape]
    if not (height and width):
        flat = [axis for axis in whole if axis > 4]
        if len(whole) < 2 or len(flat) != 2:
            return None
        height, width = flat
    if whole == [height * width]:
        return 1, height, width, 1
    for place in range(len(whole) - 1):
        if whole[place : place + 2] == [height, width]:
            before, after = whole[:place], whole[place + 2 :]
            return math.prod(before), height, width, math.prod(after)
    return None


def _check_step(step: Redaction, spec: TensorSpec, field: str) -> None:
    is_text = spec.dtype is Dtype.STRING
    shape = spec.shape[1:]
    if isinstance(step, _PICTURE):
        fits = not is_text and sides(shape, spec) is not None
        _require(fits, f"{field}.input", f"'{spec.name}' is no image whose height and width are known")
        return
    if isinstance(step, Round):
        _require(not is_text, f"{field}.input", f"'{spec.name}' is text, which cannot be rounded")
    if isinstance(step, Hash) and not is_text:
        is_whole = spec.dtype in (Dtype.INT32, Dtype.INT64)
        _require(is_whole, f"{field}.input", "only text and whole numbers of 32 bits or more can be hashed")
    try:
        places = list(columns_of(step, spec))
    except InvalidInput as error:
        raise InvalidInput(error.message, field=f"{field}.columns") from error
    width = shape[-1] if shape else 1
    fits = width is None or all(place < width for place in places)
    _require(fits, f"{field}.columns", f"'{spec.name}' has {width} columns")


def _require(holds: bool, field: str, why: str, known: Iterable[str] = ()) -> None:
    if not holds:
        names = ", ".join(sorted(known))
        raise InvalidInput(why, field=field, hint=f"It has {names}." if names else "")
