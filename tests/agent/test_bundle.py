"""A bundle is believed as little as a network: the same checks, and none of them needs a hub."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import msgspec
import pytest
from device import Verdicts, patch, reports, serving_counter
from scripted_hub import ScriptedHub
from wired import Agent, measure

from edgewright.agent.bundle import BundleFolder, Carry, NoBundle, Reader, preview
from edgewright.agent.bundle.command import repository
from edgewright.agent.disk import Settings, Writer, load_identity
from edgewright.agent.link import SignedTime
from edgewright.agent.machine import Equipment, Machine
from edgewright.agent.trial.lines import TrialResult
from edgewright.contract import bundle as bundles
from edgewright.contract.bundle import BLOBS, ORDER_TYPE, ORDERS, TUF
from edgewright.contract.envelope import seal
from edgewright.contract.errors import EdgewrightError, HostileInput, Unreachable
from edgewright.contract.order import PAYLOAD_TYPE, Order
from edgewright.contract.report import Outcome

TTL_S = 14 * 86_400.0


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def hub(tmp_path):
    hub = ScriptedHub(tmp_path / "hub")
    yield hub
    hub.close()


@pytest.fixture
def root(tmp_path, hub):
    """A device that was enrolled, and then lost its network."""
    agent = Agent(tmp_path / "agent", hub)
    hub.now += 60.0
    hub.is_away = True
    return agent.root


def write_bundle(folder: Path, hub: ScriptedHub, kind: str = ORDER_TYPE, signer=None, **changes) -> Path:
    """What `edgewright bundle export` writes for dev1."""
    facts = {"device": "dev1", "nonce": "", "issued_at": hub.now, "ttl_s": TTL_S, "installs": hub.installs}
    order = seal(msgspec.json.encode(Order(**{**facts, **changes})), kind, signer or hub.keys.director)
    files = {f"{ORDERS}/dev1": order}
    for path in (hub.folder / "tuf").iterdir():
        files[f"{TUF}/{path.name}"] = path.read_bytes()
    files |= {f"{BLOBS}/{sha256}": data for sha256, data in hub.shelf.blobs.items()}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def carry(folder: Path, root: Path, now: float, **facts):
    """One import on a device whose clock says `now`; its workers find every package good."""
    bundle, settings = BundleFolder(folder), Settings()
    time = SignedTime(root, lambda: now, lambda: 0.0)
    equipment = Equipment(
        root=root,
        settings=settings,
        source=bundle,
        patch=patch,
        trials=Verdicts(TrialResult(ok=True)),
        reports=Writer(root / "spool", "agent"),
        measure=lambda: msgspec.structs.replace(measure(), **facts),
        clock=time.now,
        monotonic=lambda: 0.0,
        is_pausing=lambda: False,
    )
    reader = Reader(bundle, repository(root, bundle), load_identity(root), settings, time)
    machine_of = functools.cache(lambda model: Machine(model, equipment))
    models = [path.name for path in (root / "models").iterdir()] if (root / "models").is_dir() else []
    return Carry(reader, machine_of=machine_of, models=models, wait=lambda _: False).run()


def test_a_device_without_any_network_installs_what_was_carried_to_it(tmp_path, hub, root):
    hub.release(1)
    bundle = write_bundle(tmp_path / "stick", hub)

    endings = carry(bundle, root, hub.now + 5 * 86_400.0)

    assert [(ending.model, ending.counter, ending.outcome) for ending in endings] == [("digits", 1, "committed")]
    assert serving_counter(root) == 1
    assert reports(root)[0].outcome is Outcome.COMMITTED


def test_metadata_counts_as_of_the_day_of_the_order_and_the_order_for_its_own_time(tmp_path, hub, root):
    hub.release(1)
    bundle = write_bundle(tmp_path / "stick", hub)

    with pytest.raises(HostileInput, match="time to live is over"):
        carry(bundle, root, hub.now + TTL_S + 400.0)

    assert serving_counter(root) == 0


def test_the_same_bundle_twice_does_nothing_the_second_time(tmp_path, hub, root):
    hub.release(1)
    bundle = write_bundle(tmp_path / "stick", hub)
    carry(bundle, root, hub.now)

    endings = carry(bundle, root, hub.now)

    assert [ending.outcome for ending in endings] == [""]
    assert len(reports(root)) == 1


def test_a_bundle_that_a_later_order_has_overtaken_is_refused(tmp_path, hub, root):
    hub.release(1)
    old = write_bundle(tmp_path / "old", hub)
    hub.now += 3600.0
    hub.release(2)
    carry(write_bundle(tmp_path / "new", hub), root, hub.now)

    with pytest.raises(HostileInput):
        carry(old, root, hub.now)

    assert serving_counter(root) == 2


def test_an_older_order_is_refused_even_with_metadata_of_now(tmp_path, hub, root):
    hub.release(1)
    carry(write_bundle(tmp_path / "new", hub), root, hub.now)

    with pytest.raises(HostileInput, match="a later order"):
        carry(write_bundle(tmp_path / "old", hub, issued_at=hub.now - 1.0), root, hub.now)


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ({"device": "dev2"}, "for the device 'dev2'"),
        ({"nonce": "n1"}, "answers no nonce"),
        ({"kind": PAYLOAD_TYPE}, "the envelope holds"),
        ({"format": 1}, "format"),
    ],
)
def test_an_order_that_is_not_a_bundle_s_for_this_device_is_refused(tmp_path, hub, root, lie, why):
    hub.release(1)
    bundle = write_bundle(tmp_path / "stick", hub, **lie)

    with pytest.raises(HostileInput, match=why):
        carry(bundle, root, hub.now)

    assert serving_counter(root) == 0


def test_an_order_by_another_key_is_refused(tmp_path, hub, root):
    hub.release(1)
    bundle = write_bundle(tmp_path / "stick", hub, signer=hub.keys.audit)

    with pytest.raises(HostileInput, match="no trusted key"):
        carry(bundle, root, hub.now)


def test_a_bundle_s_order_that_comes_over_the_air_is_refused(hub, root):
    hub.release(1)
    hub.is_away = False
    hub.payload_type = ORDER_TYPE
    agent = Agent(root, hub)

    agent.work()

    assert serving_counter(root) == 0


@pytest.mark.parametrize("place", ["model.onnx", "manifest", "timestamp"])
def test_one_changed_byte_anywhere_installs_nothing(tmp_path, hub, root, place):
    install = hub.release(1)
    bundle = write_bundle(tmp_path / "stick", hub)
    names = {file.name: file.sha256 for file in hub.releases.manifest(1).files} | {"manifest": install.manifest_sha256}
    path = bundle / TUF / "timestamp.json" if place == "timestamp" else bundle / BLOBS / names[place]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    try:
        endings = carry(bundle, root, hub.now)
    except EdgewrightError:
        endings = []

    assert [ending.outcome for ending in endings] in ([], ["failed"])
    assert serving_counter(root) == 0


@pytest.mark.parametrize("trap", ["pipe", "link", "folder"])
def test_what_is_no_plain_file_is_not_there(tmp_path, hub, root, trap):
    install = hub.release(1)
    bundle = write_bundle(tmp_path / "stick", hub)
    path = bundle / BLOBS / install.manifest_sha256
    path.unlink()
    if trap == "pipe":
        os.mkfifo(path)
    elif trap == "link":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()

    with pytest.raises(EdgewrightError):
        carry(bundle, root, hub.now)


def test_a_blob_may_lie_in_parts(tmp_path, hub, root, monkeypatch):
    hub.release(3)
    bundle = write_bundle(tmp_path / "stick", hub)
    for path in list((bundle / BLOBS).iterdir()):
        data = path.read_bytes()
        if len(data) == 2700:
            path.unlink()
            for number in range(3):
                path.with_name(f"{path.name}.{number:03d}").write_bytes(data[number * 1000 :][:1000])

    endings = carry(bundle, root, hub.now)

    assert endings[0].outcome == "committed"


def test_an_install_that_a_hub_has_ordered_goes_on_with_the_stick_s_blobs(tmp_path, hub, root):
    hub.is_away = False
    install = hub.release(1)
    model = hub.releases.manifest(1).files[0].sha256
    lost = hub.shelf.blobs.pop(model)
    hub.shelf.blobs[model] = lost[:100]
    Agent(root, hub).work(5.0)
    hub.shelf.blobs[model] = lost
    bundle = write_bundle(tmp_path / "stick", hub)
    (bundle / ORDERS / "dev1").unlink()

    endings = carry(bundle, root, hub.now)

    assert (endings[0].counter, endings[0].outcome) == (install.counter, "committed")


@pytest.mark.parametrize("length", [None, 120], ids=["gone", "cut off"])
def test_an_incomplete_stick_ends_no_install(tmp_path, hub, root, length):
    hub.release(1)
    model = hub.releases.manifest(1).files[0].sha256
    bundle = write_bundle(tmp_path / "stick", hub)
    whole = (bundle / BLOBS / model).read_bytes()
    (bundle / BLOBS / model).unlink()
    if length is not None:
        (bundle / BLOBS / model).write_bytes(whole[:length])
    with pytest.raises(Unreachable):
        carry(bundle, root, hub.now)
    (bundle / BLOBS / model).write_bytes(whole)

    endings = carry(bundle, root, hub.now)

    assert endings[0].outcome == "committed"


def test_a_bundle_for_others_says_so(tmp_path, hub, root):
    hub.release(1)
    bundle = write_bundle(tmp_path / "stick", hub)
    (bundle / ORDERS / "dev1").rename(bundle / ORDERS / "dev2")

    with pytest.raises(NoBundle, match="nothing for this device"):
        carry(bundle, root, hub.now)


def test_a_package_that_does_not_fit_is_refused_as_over_the_air(tmp_path, hub, root):
    hub.release(1)
    bundle = write_bundle(tmp_path / "stick", hub)

    endings = carry(bundle, root, hub.now, arch="riscv64")

    assert endings[0].outcome == "refused"
    assert "this device is riscv64" in endings[0].reason


def test_names_of_parts_rise_with_the_length():
    assert bundles.part_names("a" * 64, bundles.PART_BYTES) == ["a" * 64]
    assert bundles.part_names("a" * 64, bundles.PART_BYTES + 1) == ["a" * 64 + ".000", "a" * 64 + ".001"]


def foresee(folder: Path, root: Path, now: float, **facts):
    device = msgspec.structs.replace(measure(), **facts)
    time = SignedTime(root, lambda: now, lambda: 0.0)
    return preview(BundleFolder(folder), root, load_identity(root), Settings(), time, device)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_dry_run_verifies_everything_and_changes_nothing(tmp_path, hub, root):
    hub.release(1)
    bundle = write_bundle(tmp_path / "stick", hub)
    before = contents(root)

    foreseen = foresee(bundle, root, hub.now)

    assert [(one.model, one.counter, one.would, one.reason) for one in foreseen] == [("digits", 1, "install", "")]
    assert foreseen[0].read_bytes > 0
    assert contents(root) == before
    assert [ending.outcome for ending in carry(bundle, root, hub.now)] == ["committed"]
    assert [one.would for one in foresee(bundle, root, hub.now)] == ["nothing"]


def test_a_dry_run_names_blobs_that_are_damaged_or_missing(tmp_path, hub, root):
    hub.release(1)
    bundle = write_bundle(tmp_path / "stick", hub)
    manifest = hub.installs[0].manifest_sha256
    blobs = sorted(path for path in (bundle / BLOBS).iterdir() if path.name != manifest)
    blobs[0].write_bytes(blobs[0].read_bytes()[:-1] + b"!")

    (damaged,) = foresee(bundle, root, hub.now)
    blobs[0].unlink()
    (missing,) = foresee(bundle, root, hub.now)

    assert (damaged.would, missing.would) == ("wait", "wait")
    assert f"{blobs[0].name[:12]} is damaged" in damaged.reason
    assert f"{blobs[0].name[:12]} is missing" in missing.reason


def test_a_dry_run_foresees_a_refusal_and_believes_no_other_s_order(tmp_path, hub, root):
    hub.release(1)
    bundle = write_bundle(tmp_path / "stick", hub)

    (refused,) = foresee(bundle, root, hub.now, runtimes={})

    assert refused.would == "refuse"
    assert "not installed" in refused.reason
    with pytest.raises(HostileInput):
        foresee(write_bundle(tmp_path / "forged", hub, signer=hub.keys.audit), root, hub.now)
