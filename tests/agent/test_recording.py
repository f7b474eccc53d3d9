"""Windows as they leave the device: their noise is paid for, what is wrong is counted, and each word counts once."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgewright.agent.disk import Writer
from edgewright.agent.disk.spool import Spool
from edgewright.agent.serve.learning.accounts import DAY_S, Account, Accounts, charge
from edgewright.agent.serve.learning.outbox import Outbox
from edgewright.agent.serve.learning.recorder import Recorder, Source, read_source
from edgewright.agent.serve.learning.taps import Taps
from edgewright.agent.serve.package import read_manifest
from edgewright.contract.data_policy import DataPolicy, Privacy
from edgewright.contract.errors import InvalidInput
from edgewright.contract.profile import FeatureKind, Profile
from edgewright.contract.report import Fault, ProfileWindow, Tap

if TYPE_CHECKING:
    from on_disk import ModelOnDisk, Trained

MORNING = 20_000 * DAY_S + 30_000.0
READINGS = {FeatureKind.MEMORY: 2.0**28, FeatureKind.CPU: 0.5, FeatureKind.TEMPERATURE: 50.0}


class Bench:
    """A recorder over a real spool, with a clock that is set by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = MORNING
        self.outbox = Outbox(Writer(root / "spool", "life"), "life", lambda: self.now)
        accounts = Accounts(root, "digits")
        below = random.Random(0).randrange
        self.recorder = Recorder(self.outbox, "life", lambda: self.now, accounts, lambda: READINGS, below)

    def told(self) -> list[ProfileWindow | Fault]:
        self.outbox.drain()
        entries = Spool(self.root / "spool").pending(1000, 10_000_000)
        return [entry.record for entry in entries if isinstance(entry.record, ProfileWindow | Fault)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.outbox.close()


def source(device: ModelOnDisk, good: Trained, privacy: Privacy | None = None) -> Source:
    policy = {} if privacy is None else {"data": DataPolicy(privacy=privacy)}
    folder = device.pack("a", good, **policy)
    return read_source(folder, read_manifest(folder))


def test_a_window_tells_of_its_rows_and_of_its_machine(bench: Bench, device: ModelOnDisk, good: Trained) -> None:
    exact = source(device, good)
    bench.recorder.count(exact, {"image": good.images[:3]}, {}, 0.002)
    bench.now += 60

    bench.recorder.tick()

    (window,) = bench.told()
    profile = Profile.from_bytes(exact.schema, window.payload)
    assert (window.id, window.rows, window.noised, window.end - window.start) == ("life:1", 3, 0, 60)
    assert (profile.of("cpu")[10], profile.of("memory")[32], profile.of("temperature")[36]) == (1, 1, 1)


def test_a_refused_request_alone_makes_a_window(bench: Bench, device: ModelOnDisk, good: Trained) -> None:
    exact = source(device, good)
    bench.recorder.reject(exact, "image")
    bench.recorder.tap(exact, Tap.WRONG)

    bench.recorder.close_window()

    (window,) = bench.told()
    profile = Profile.from_bytes(exact.schema, window.payload)
    assert window.rows == 0
    assert profile.of("image.quality").tolist() == [1, 0, 0, 0]
    assert profile.of("feedback").tolist() == [0, 1]


def test_a_window_with_noise_is_paid_for_and_says_so(bench: Bench, device: ModelOnDisk, good: Trained) -> None:
    noisy = source(device, good, Privacy(epsilon_milli=800))
    bench.recorder.count(noisy, {"image": good.images[:50]}, {}, 0.002)

    bench.recorder.close_window()

    (window,) = bench.told()
    profile = Profile.from_bytes(noisy.schema, window.payload, is_noisy=True)
    assert (window.epsilon_milli, window.noised, profile.rows) == (800, 1, 50)
    assert (profile.counts < 0).any()
    account = (bench.root / "run" / "digits.privacy.json").read_text()
    assert '"total_milli":800' in account


def test_a_spent_budget_keeps_the_window_open_until_the_next_day(
    bench: Bench, device: ModelOnDisk, good: Trained
) -> None:
    noisy = source(device, good, Privacy(epsilon_milli=600, daily_milli=1000))
    for _ in range(5):
        bench.recorder.count(noisy, {"image": good.images[:2]}, {}, 0.002)
        bench.now += 60
        bench.recorder.tick()
    sent_that_day = [window.rows for window in bench.told()]

    bench.now += DAY_S
    bench.recorder.tick()

    assert sent_that_day == [2]
    assert sorted(window.rows for window in bench.told()) == [2, 8]


def test_what_must_be_closed_and_cannot_be_paid_for_is_dropped_and_told(
    bench: Bench, device: ModelOnDisk, good: Trained
) -> None:
    noisy = source(device, good, Privacy(epsilon_milli=600, daily_milli=500))
    bench.recorder.count(noisy, {"image": good.images[:2]}, {}, 0.002)

    bench.recorder.close_window()

    (fault,) = bench.told()
    assert fault.code == "privacy_budget_spent"


def test_an_account_that_cannot_be_kept_pays_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")

    assert not Accounts(tmp_path, "digits").pay(MORNING, 1, 0)


def test_a_damaged_account_counts_as_spent_for_the_day(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path, "digits")
    assert accounts.pay(MORNING, 10, 100)
    (tmp_path / "run" / "digits.privacy.json").write_bytes(b"\xff{")

    assert not accounts.pay(MORNING, 10, 100)
    assert accounts.pay(MORNING + DAY_S, 10, 100)


def test_two_processes_share_one_account(tmp_path: Path) -> None:
    paid: list[bool] = []

    def spend() -> None:
        accounts = Accounts(tmp_path, "digits")
        paid.extend(accounts.pay(MORNING, 10, 100) for _ in range(10))

    threads = [threading.Thread(target=spend) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(paid) == 10


@pytest.mark.parametrize(
    ("today", "paid"),
    [
        (100, False),  # the same day
        (99, False),  # a clock that went back
        (50, False),  # one that had been far ahead has spent this day
        (101, True),
    ],
)
def test_only_a_new_day_brings_a_new_budget(today: int, paid: bool) -> None:
    spent = Account(day=100, day_milli=1000, total_milli=5000, windows=5)

    charged = charge(spent, today, 200, 1000)

    assert (charged is not None) is paid


def test_without_a_budget_all_is_paid_and_accounted() -> None:
    charged = charge(Account(day=100, day_milli=1000, total_milli=5000, windows=5), 100, 200, 0)

    assert charged == Account(day=100, day_milli=1200, total_milli=5200, windows=6)


def test_each_reference_counts_once_and_only_the_latest_are_remembered() -> None:
    taps = Taps(kept=2)

    first = [taps.is_new(reference, Tap.WRONG) for reference in ("a", "b", "a", "c", "a", "b")]

    assert first == [True, True, False, True, False, True]


@pytest.mark.parametrize("reference", ["", "x" * 257])
def test_a_word_about_no_answer_is_refused(reference: str) -> None:
    with pytest.raises(InvalidInput):
        Taps().is_new(reference, Tap.RIGHT)


def test_what_the_schema_cannot_read_is_told_and_fails_nobody(bench: Bench, device: ModelOnDisk, good: Trained) -> None:
    bench.recorder.count(source(device, good), {"image": np.zeros((1, 3), np.float32)}, {}, 0.1)

    assert bench.recorder.failures == 1
