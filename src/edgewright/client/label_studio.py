"""Samples as tasks for Label Studio, and its annotations as labels: its JSON and JSON-MIN formats. No I/O."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from edgewright.contract.api import LabelDraft, SampleRecord
from edgewright.contract.errors import InvalidInput
from edgewright.contract.showing import Shown, ShownAs

CHOICE, OBJECT = "label", "object"
HINT = "Export it from Label Studio as JSON or JSON-MIN, of tasks that `edgewright data export` wrote."


def config(kind: ShownAs, classes: Sequence[str]) -> str:
    """The labelling interface that fits the tasks: what is shown, and one choice among the classes."""
    shown = {
        ShownAs.IMAGE: '<Image name="object" value="$image"/>',
        ShownAs.AUDIO: '<Audio name="object" value="$audio"/>',
        ShownAs.TEXT: '<Text name="object" value="$text"/>',
        ShownAs.NUMBERS: '<Table name="object" value="$numbers"/>',
    }[kind]
    choices = "".join(f'<Choice value="{_escaped(name)}"/>' for name in classes)
    return f'<View>{shown}<Choices name="{CHOICE}" toName="{OBJECT}">{choices}</Choices></View>\n'


def task_of(sample: SampleRecord, shown: Sequence[Shown], classes: Sequence[str]) -> dict[str, Any]:
    """One sample as a task, with what the model answered as a prediction."""
    data: dict[str, Any] = {"sample": sample.id, "model": sample.model, "reference": sample.reference}
    for one in shown:
        data.setdefault(one.kind.value, _value(one))
    if sample.predicted is None:
        return {"data": data}
    result = [_result(_named(sample.predicted, classes))]
    score = max(0.0, 1.0 - sample.uncertainty)
    prediction = {"model_version": f"{sample.model}@{sample.version}", "score": score, "result": result}
    return {"data": data, "predictions": [prediction]}


def drafts_of(data: bytes, classes: Sequence[str]) -> list[LabelDraft]:
    """The labels in an export of Label Studio; tasks without an annotation have none.

    Raises InvalidInput that names every task that cannot be read.
    """
    try:
        tasks = msgspec.json.decode(data, type=list[dict[str, Any]])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"not an export of Label Studio: {error}", field="file", hint=HINT) from error
    drafts: list[LabelDraft] = []
    problems: list[str] = []
    for place, task in enumerate(tasks):
        try:
            drafts += _drafts(task, classes)
        except InvalidInput as error:
            problems.append(f"task {place}: {error.message}")
    if problems:
        raise InvalidInput("; ".join(problems[:20]), field="tasks", hint=HINT)
    return drafts


def _drafts(task: Mapping[str, Any], classes: Sequence[str]) -> Iterator[LabelDraft]:
    found = task.get("data", task)
    sample = found.get("sample") if isinstance(found, dict) else None
    if not isinstance(sample, str) or not sample:
        raise InvalidInput("it names no sample in data.sample", field="data.sample")
    for choice in _choices(task):
        yield LabelDraft(sample=sample, label=_number(choice, classes))


def _choices(task: Mapping[str, Any]) -> Iterator[str]:
    """The choice of each annotation that was not cancelled, in their order; in JSON-MIN there is one at most."""
    if "annotations" not in task:
        if task.get(CHOICE) not in (None, ""):
            yield str(task[CHOICE])
        return
    try:
        annotations = msgspec.convert(task["annotations"], list[dict[str, Any]])
        for annotation in annotations:
            if annotation.get("was_cancelled"):
                continue
            for result in annotation.get("result", []):
                if result.get("type") == "choices":
                    yield str(result["value"]["choices"][0])
    except (msgspec.MsgspecError, AttributeError, KeyError, IndexError, TypeError) as error:
        raise InvalidInput("its annotations have no choices", field="annotations") from error


def _number(choice: str, classes: Sequence[str]) -> int:
    if choice in classes:
        return list(classes).index(choice)
    if choice.isdecimal() and len(choice) < 10:
        return int(choice)
    known = ", ".join(classes) or "numbers"
    raise InvalidInput(f"'{choice[:80]}' is no class; there are {known}", field="choices")


def _named(number: int, classes: Sequence[str]) -> str:
    return classes[number] if number < len(classes) else str(number)


def _result(choice: str) -> dict[str, Any]:
    return {"from_name": CHOICE, "to_name": OBJECT, "type": "choices", "value": {"choices": [choice]}}


def _value(shown: Shown) -> Any:
    if shown.media:
        return f"data:{shown.media};base64,{base64.b64encode(shown.body).decode()}"
    if shown.kind is ShownAs.TEXT:
        return "\n".join(text for _, text in shown.columns)
    return dict(shown.columns)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
