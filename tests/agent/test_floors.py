"""The floors of the signed roles: doubled, checksummed, and not lost with the folder that holds the metadata."""

from __future__ import annotations

import shutil

import pytest
from origin import NOW, Disk, Origin
from power import Power, PowerCut

from edgewright.agent.disk import Condition, FileStore, Floors
from edgewright.agent.link.refresh import Repository, refresh
from edgewright.contract.errors import HostileInput


@pytest.fixture
def origin(tmp_path) -> Origin:
    origin = Origin(tmp_path / "hub")
    origin.release(1)
    return origin


def client(root, origin: Origin) -> Repository:
    return Repository(FileStore(root / "tuf"), origin.fetch, Floors(root))


@pytest.fixture
def root(tmp_path, origin):
    """A device's folder that has seen everything up to the second release."""
    root = tmp_path / "device"
    for place in (Floors(root), FileStore(root / "tuf")):
        place.write("root.json", origin.repository.root_bytes())
    refresh(client(root, origin), NOW)
    return root


def wipe(root) -> None:
    for path in (root / "tuf").iterdir():
        path.unlink()


@pytest.mark.parametrize("harm", ["emptied", "removed", "zeroed", "older"])
def test_a_lost_folder_of_metadata_lets_no_version_fall(origin, root, harm):
    before, kept = origin.files(), {path.name: path.read_bytes() for path in (root / "tuf").iterdir()}
    origin.release(2)
    refresh(client(root, origin), NOW)
    wipe(root)
    if harm == "removed":
        (root / "tuf").rmdir()
    for name, data in kept.items():
        if harm in ("zeroed", "older"):
            (root / "tuf" / name).write_bytes(data if harm == "older" else bytes(len(data)))
    origin.put(before)

    with pytest.raises(HostileInput, match="rollback"):
        refresh(client(root, origin), NOW)


def test_a_lost_folder_of_metadata_is_filled_again(origin, root):
    wipe(root)

    refresh(client(root, origin), NOW)

    assert {path.name for path in (root / "tuf").iterdir()} >= {"root.json", "timestamp.json", "snapshot.json"}
    assert FileStore(root / "tuf").read("timestamp.json") == Floors(root).read("timestamp.json")


@pytest.mark.parametrize("name", ["floors.json", "floors.json.bak"])
def test_one_damaged_copy_is_mended_by_the_other(root, name):
    whole = (root / name).read_bytes()
    (root / name).write_bytes(whole.replace(b"ge", b"eg", 1))

    floors = Floors(root)

    assert floors.condition is Condition.MENDED
    assert (root / name).read_bytes() == whole
    assert Floors(root).condition is Condition.WHOLE


def test_when_both_copies_are_damaged_what_is_left_is_the_floor(origin, root):
    before = origin.files()
    origin.release(2)
    refresh(client(root, origin), NOW)
    for name in ("floors.json", "floors.json.bak"):
        (root / name).write_bytes(b"\0" * 100)
    assert Floors(root).condition is Condition.RECOVERED

    refresh(client(root, origin), NOW)
    wipe(root)
    origin.put(before)

    assert Floors(root).condition is Condition.WHOLE
    with pytest.raises(HostileInput, match="rollback"):
        refresh(client(root, origin), NOW)


def test_a_device_that_has_lost_everything_believes_nobody(origin, root):
    wipe(root)
    for name in ("floors.json", "floors.json.bak"):
        (root / name).unlink()

    with pytest.raises(HostileInput, match="root: there is none"):
        refresh(client(root, origin), NOW)


def test_a_new_folder_has_no_floors_and_nothing_to_recover(tmp_path):
    assert Floors(tmp_path).condition is Condition.NEW


def test_floors_of_keys_that_were_replaced_count_no_longer(origin, root):
    """TUF 5.3.11: a stolen key's fast-forward ends with the key, in the second place too."""
    disk = Disk({"root.json": origin.repository.root_bytes()})
    origin.resign("timestamp.json", origin.keys.timestamp, version=1_000_000)
    refresh(client(root, origin), NOW)
    (fresh,) = origin.replace_keys("timestamp")
    origin.resign("timestamp.json", fresh, version=3)

    assert refresh(client(root, origin), NOW).timestamp == refresh(Repository(disk, origin.fetch), NOW).timestamp


def test_a_power_cut_anywhere_in_a_refresh_lets_no_version_fall(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)
    origin, root = Origin(tmp_path / "hub"), tmp_path / "device"
    Floors(root).write("root.json", origin.repository.root_bytes())
    older = origin.files()
    origin.release(1)
    refresh(client(root, origin), NOW)
    origin.release(2)
    newest, cut, is_cut = origin.files(), 0, True

    while is_cut:
        here = tmp_path / f"device-{cut}"
        shutil.copytree(root, here)
        is_cut = _refresh_until(here, origin, cut)
        cut += 1
        if is_cut and cut % 2:  # and every other time the cut takes the folder of metadata with it
            wipe(here)
        origin.put(older)
        with pytest.raises(HostileInput, match="rollback"):
            refresh(client(here, origin), NOW)
        origin.put(newest)
        refresh(client(here, origin), NOW)

    assert cut > 20


def _refresh_until(root, origin: Origin, cut: int) -> bool:
    """Whether the power was cut before operation number `cut` of a refresh."""
    device = client(root, origin)
    try:
        with Power(root, cut):
            refresh(device, NOW)
    except PowerCut:
        return True
    return False
