"""Files with labels: CSV and Label Studio's JSON, read with every mistake named by its line, and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgewright.client import Client
    from edgewright.contract.api import LabelDraft, SampleRecord

COLUMNS = ("sample", "reference", "label", "predicted", "device", "version", "chosen_as", "uncertainty", "at")
MAX_PROBLEMS = 20


def read_labels(file: Path, model: str, classes: Sequence[str]) -> list[LabelDraft]:
    """The labels of a CSV file or of an export of Label Studio.

    Raises InvalidInput, which names every line (or task) and field that cannot be read.
    """
    from edgewright.client import label_studio
    from edgewright.contract.errors import InvalidInput

    try:
        if file.suffix == ".json":
            return label_studio.drafts_of(file.read_bytes(), classes)
        return _of_rows(file, model, classes)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {file}: {error}", field="file") from error


def write_csv(file: Path, samples: Sequence[SampleRecord]) -> None:
    """One line a sample, to be filled in and read again; what a spreadsheet would run is written as text."""
    import csv

    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(COLUMNS)
        for sample in samples:
            writer.writerow([_cell(sample.id if name == "sample" else getattr(sample, name)) for name in COLUMNS])


def write_tasks(file: Path, client: Client, samples: Sequence[SampleRecord], classes: Sequence[str]) -> str:
    """Tasks for Label Studio, with pictures and sounds inside; returns the interface to label them with."""
    import msgspec

    from edgewright.client import label_studio
    from edgewright.contract import arrays
    from edgewright.contract.showing import Shown, ShownAs, show

    contracts = (
        {item.version: item.contract for item in client.models.get(samples[0].model).versions} if samples else {}
    )
    tasks, first = [], Shown("", ShownAs.NUMBERS)
    for sample in samples:
        shown = show(contracts[sample.version], arrays.decode(client.blobs.get(sample.sha256)))
        tasks.append(label_studio.task_of(sample, shown, classes))
        first = shown[0] if shown else first
    file.write_bytes(msgspec.json.encode(tasks))
    predicted = {str(sample.predicted) for sample in samples if sample.predicted is not None}
    return label_studio.config(first.kind, classes or sorted(predicted)) if samples else ""


def _of_rows(file: Path, model: str, classes: Sequence[str]) -> list[LabelDraft]:
    import csv

    from edgewright.contract.errors import InvalidInput

    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = csv.DictReader(lines)
        try:
            if "label" not in (rows.fieldnames or ()) or not {"sample", "reference"} & set(rows.fieldnames or ()):
                hint = "Its first line is: sample,label (or reference,label, with --model)."
                raise InvalidInput(f"{file} lacks the columns sample and label", field="file", hint=hint)
            found, problems = [], []
            for row in rows:
                told = _draft(row, model, classes)
                if isinstance(told, str):
                    problems.append(f"line {rows.line_num}, {told}")
                elif told is not None:
                    found.append(told)
        except csv.Error as error:
            raise InvalidInput(f"{file}, line {rows.line_num}: {error}", field="file") from error
    if problems:
        raise InvalidInput(f"{file}: {_listed(problems)}", field="file", hint="A label is a class's number or name.")
    return found


def _draft(row: Mapping[str, str | None], model: str, classes: Sequence[str]) -> LabelDraft | str | None:
    """The label of a line; None where it was left empty, words where it cannot be read."""
    from edgewright.contract.api import LabelDraft

    label, sample = (row.get("label") or "").strip(), _plain(row.get("sample") or "")
    reference = "" if sample else _plain(row.get("reference") or "")
    if not label:
        return None
    if label in classes:
        number = list(classes).index(label)
    elif label.isdecimal() and len(label) < 10:
        number = int(label)
    else:
        return f"label: {label[:40]!r} is not a label"
    if not sample and not reference:
        return "sample: neither a sample nor a reference is named"
    if reference and not model:
        return "reference: --model says of which model"
    return LabelDraft(sample=sample, reference=reference, model=model if reference else "", label=number)


def _listed(problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
    return "; ".join(problems[:MAX_PROBLEMS]) + more


def _cell(value: object) -> str:
    """As text; what begins like a formula gets an apostrophe before it (OWASP, CSV injection)."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _plain(text: str) -> str:
    stripped = text.strip()
    return stripped[1:] if stripped.startswith(("'=", "'+", "'-", "'@")) else stripped
