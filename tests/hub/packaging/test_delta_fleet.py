"""A fleet of mixed versions: what it is sent by the plans of its devices, against full downloads."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest

from edgewright.contract import delta
from edgewright.contract import manifest as manifests
from edgewright.contract.api import DeltaState
from edgewright.contract.report import Pace
from edgewright.hub.jobs import Jobs, RunContext
from edgewright.hub.packaging import MAX_FETCHES, Deltas
from edgewright.hub.packaging.deltas.planning import Plan

VERSIONS = 6
DEVICES = {5: 20, 4: 12, 3: 8, 2: 6, 1: 4}
"""How many devices run which release, when release 6 is rolled out."""
PACES = (
    Pace(),
    Pace(download_bytes_s=3_000, request_s=0.6, apply_bytes_s=5e6),
    Pace(download_bytes_s=20e6, request_s=0.02, apply_bytes_s=80e6),
    Pace(download_bytes_s=50_000, request_s=0.2, apply_bytes_s=20e6, is_metered=True),
)


class Steps(RunContext):
    """A run's context without its durability."""

    def __init__(self, args: dict[str, object]) -> None:
        self.args = args

    def step(self, _name, act, *args):
        return act(*args)

    def report(self, *_, **__) -> None:
        pass


pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


@pytest.fixture(scope="module")
def line() -> list[bytes]:
    """A classifier of digits, trained on and on: six versions as ONNX files."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    model = MLPClassifier((64, 32), random_state=0, max_iter=40).fit(images[:900], labels[:900])
    files = []
    for number in range(VERSIONS):
        rows = slice(100 * number, 900 + 100 * number)
        model.set_params(warm_start=True, max_iter=1, learning_rate_init=1e-5).fit(images[rows], labels[rows])
        files.append(to_onnx(model, images[:1], options={"zipmap": False}).SerializeToString())
    return files


@pytest.fixture
def packages(house, line) -> list[str]:
    """The digests of the manifests of six releases."""
    house.file_of = lambda version, _dtype: line[version - 1]
    found = []
    for number in range(1, VERSIONS + 1):
        house.add_version(number, targets=("cpu-fp32",))
        found.append(house.build(number).packages[0].manifest_sha256)
    return found


@pytest.fixture
def deltas(house) -> Deltas:
    return Deltas(house.db, house.blobs, house.clock, Jobs(house.db, house.events, house.clock), house.folder / "work")


def make(house, deltas: Deltas, packages: list[str], devices: Mapping[int, int], wanted: int) -> None:
    """What a rollout's run does."""
    needs = {(packages[held - 1], packages[wanted - 1]): count for held, count in devices.items()}
    with house.db.write() as connection:
        deltas.start(connection, f"digits/{wanted}", needs, id="", why="a test")
    deltas.run(Steps({"needs": [[*need, count] for need, count in needs.items()]}))


def plans(deltas: Deltas, packages: list[str]) -> list[Plan]:
    """One for each device of the fleet, by what it holds and how its line is."""
    held = [packages[version - 1] for version in Counter(DEVICES).elements()]
    return [
        deltas.plan(packages[-1], frozenset({package}), PACES[number % len(PACES)], MAX_FETCHES)
        for number, package in enumerate(held)
    ]


def test_fifty_devices_on_five_versions_get_a_release_in_a_part_of_its_bytes(house, deltas, packages, line):
    make(house, deltas, packages, DEVICES, VERSIONS)

    fleet = plans(deltas, packages)

    sent_bytes, full_bytes = sum(plan.sent_bytes for plan in fleet), sum(plan.full_bytes for plan in fleet)
    assert len(fleet) == 50
    assert all(plan.sent_bytes < plan.full_bytes for plan in fleet)
    assert sent_bytes <= 0.5 * full_bytes
    assert {record.state for record in deltas.of_release("digits", VERSIONS, {})} == {DeltaState.MADE}


def test_a_device_that_has_missed_a_release_is_led_by_the_hops_of_both_rollouts(house, deltas, packages, line):
    for wanted in (VERSIONS - 1, VERSIONS):
        make(house, deltas, packages, {wanted - 1: 9}, wanted)

    plan = deltas.plan(packages[-1], frozenset({packages[-3]}), Pace(is_metered=True), MAX_FETCHES)

    assert len(plan.fetches) == 2
    assert plan.sent_bytes < plan.full_bytes
    assert walk(house, plan, line[-3]) == line[-1]


def walk(house, plan: Plan, held: bytes) -> bytes:
    """Apply a plan's fetches in their order, as a device does."""
    files = {hashlib.sha256(held).hexdigest(): held}
    base, out = house.folder / "base", house.folder / "out"
    for fetch in plan.fetches:
        base.write_bytes(files[fetch.base_sha256])
        delta.apply(base, house.blobs.path(fetch.sha256), out, max_result_bytes=fetch.result_bytes)
        files[fetch.result_sha256] = out.read_bytes()
    assert all(manifests.digest(data) == sha256 for sha256, data in files.items())
    return out.read_bytes()
