"""A model of digits on a hub, and samples of it that wait for labels: pictures, a sound, words and numbers."""

from __future__ import annotations

import msgspec
import numpy as np
import sqlalchemy as sa

from edgewright.contract import arrays
from edgewright.contract.api import Lineage, Role, UserDraft, VersionRecord
from edgewright.contract.dtype import Dtype
from edgewright.contract.report import Sample
from edgewright.contract.tensors import Contract, Kind, TensorSpec
from edgewright.hub.app import Hub
from edgewright.hub.registry import table as registry
from scenes.dashboard import NOW, PASSWORD
from scenes.passwords import cheap_passwords

CONTRACT = Contract(
    inputs=(
        TensorSpec(name="image", dtype=Dtype.FLOAT32, shape=(None, 64), kind=Kind.IMAGE, height=8, width=8),
        TensorSpec(name="sound", dtype=Dtype.FLOAT32, shape=(None, 800), kind=Kind.AUDIO),
        TensorSpec(name="note", dtype=Dtype.STRING, shape=(None, 1)),
        TensorSpec(name="vitals", dtype=Dtype.FLOAT32, shape=(None, 3), names=("age", "pulse", "weight")),
    ),
    outputs=(TensorSpec(name="label", dtype=Dtype.INT64, shape=(None,), kind=Kind.LABEL, names=tuple("0123456789")),),
)


LABELLER = "lea"


def add_digits(hub: Hub, count: int = 5) -> None:
    """The model `digits` with one version, so many unlabelled samples of it, and lea, who may label them."""
    with cheap_passwords():
        hub.people.create("test", UserDraft(name=LABELLER, password=PASSWORD, roles=(Role.ENGINEER,)))
    record = VersionRecord(
        model="digits",
        version=1,
        source_sha256="cd" * 32,
        source_bytes=1,
        contract=CONTRACT,
        lineage=Lineage(),
        metrics={},
        task="classification",
        note="",
        created_at=NOW,
        created_by="ana",
    )
    model = {"name": "digits", "owner": "ana", "task": "classification", "created_at": NOW}
    row = {"model": "digits", "version": 1, "source_sha256": "cd" * 32, "record": msgspec.to_builtins(record)}
    with hub.db.write() as connection:
        connection.execute(sa.insert(registry.model).values(model))
        connection.execute(sa.insert(registry.version).values(**row, created_at=NOW))
        hub.data.add_samples(connection, "lane-1", [sample(number) for number in range(count)], lambda one: 3)


def sample(number: int) -> Sample:
    random = np.random.default_rng(number)
    picture = np.zeros((8, 8), np.float32)
    picture[1:7, 2:6] = random.random((6, 4)) * 0.3
    picture[1:7, 3 + number % 2] = 1.0
    inputs = {
        "image": picture.reshape(1, 64),
        "sound": np.sin(np.linspace(0, 90, 800, dtype=np.float32))[None],
        "note": np.array([[f"parcel {number}, scratched"]], object),
        "vitals": np.array([[43 + number, 71.5, 80]], np.float32),
    }
    return Sample(
        id=f"s{number}",
        request="r1",
        model="digits",
        version=1,
        at=NOW + number,
        reference=f"order-{number}",
        chosen_as="uncertain",
        uncertainty=0.4,
        inputs=arrays.encode(inputs),
        outputs=b"",
    )
