"""What apps require of models lasts on the device, and a package that falls short is refused before it is fetched."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from device import Device, Releases, Shelf, reports

from edgewright.agent.disk import apps
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.report import Outcome
from edgewright.contract.tensors import Contract, Dtype, TensorSpec

NOW = 1_800_000_000.0


def a_contract(version: int = 1) -> Contract:
    return Contract(
        inputs=(TensorSpec(name="image", dtype=Dtype.UINT8, shape=(None, 64)),), outputs=(), version=version
    )


def test_a_declaration_is_read_as_it_was_made(tmp_path: Path) -> None:
    in_words = apps.declare(tmp_path, "line-3", "defects", ">=2", NOW)
    as_tensors = apps.declare(tmp_path, "line-4", "defects", a_contract(), NOW)
    apps.declare(tmp_path, "line-3", "plates", "", NOW)

    assert apps.declarations(tmp_path, "defects") == (in_words, as_tensors)
    assert [one.model for one in apps.declarations(tmp_path)] == ["defects", "defects", "plates"]
    assert (in_words.wanted, as_tensors.wanted) == (">=2", a_contract())


def test_an_app_that_starts_again_replaces_what_it_said(tmp_path: Path) -> None:
    apps.declare(tmp_path, "line-3", "defects", "==1", NOW)

    apps.declare(tmp_path, "line-3", "defects", ">=2", NOW + 1)

    assert [one.required for one in apps.declarations(tmp_path, "defects")] == [">=2"]


def test_many_processes_of_one_app_may_start_at_once(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=apps.declare, args=(tmp_path, "line-3", "defects", f">={n}", NOW)) for n in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(apps.declarations(tmp_path, "defects")) == 1
    assert len(os.listdir(tmp_path / "apps" / "defects")) == 1


def test_only_forgetting_removes_a_declaration(tmp_path: Path) -> None:
    for model in ("defects", "plates"):
        apps.declare(tmp_path, "line-3", model, ">=2", NOW)
    apps.declare(tmp_path, "line-4", "defects", ">=2", NOW)

    assert apps.forget(tmp_path, "line-3", "plates") == 1
    assert apps.forget(tmp_path, "line-3") == 1

    assert [(one.app, one.model) for one in apps.declarations(tmp_path)] == [("line-4", "defects")]
    with pytest.raises(NotFound):
        apps.forget(tmp_path, "line-3")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 64, "line 3", "zeile-ä"])
def test_an_app_has_a_name_that_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        apps.declare(tmp_path, name, "defects", ">=2", NOW)

    assert refused.value.field == "app"
    assert list(tmp_path.iterdir()) == []


def test_a_requirement_that_is_none_is_not_declared(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        apps.declare(tmp_path, "line-3", "defects", "at least 2", NOW)

    assert apps.declarations(tmp_path) == ()


def test_what_anybody_else_puts_there_is_left_out(tmp_path: Path) -> None:
    good = apps.declare(tmp_path, "line-3", "defects", ">=2", NOW)
    folder = tmp_path / "apps" / "defects"
    whole = (folder / f"{os.getuid()}-line-3.json").read_bytes()
    (folder / "0-torn.json").write_bytes(whole[:-5])
    (folder / "0-other.json").write_bytes(whole)
    (folder / "0-words.json").write_bytes(whole.replace(b">=2", b"any").replace(b"line-3", b"words"))
    (folder / "0-huge.json").write_bytes(b" " * apps.MAX_DECLARATION_BYTES + whole)
    (folder / "0-link.json").symlink_to("/etc/hostname")
    os.mkfifo(folder / "0-pipe.json")
    (folder / "0-folder.json").mkdir()

    assert apps.declarations(tmp_path, "defects") == (good,)


def test_the_number_of_apps_is_bounded(tmp_path: Path) -> None:
    for number in range(apps.MAX_DECLARATIONS):
        apps.declare(tmp_path, f"app-{number}", "defects", "", NOW)

    with pytest.raises(apps.TooManyApps):
        apps.declare(tmp_path, "one-more", "defects", "", NOW)
    apps.declare(tmp_path, "app-0", "defects", ">=2", NOW)


def test_a_package_that_an_app_cannot_use_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    shelf = Shelf()
    apps.declare(tmp_path, "line-3", "digits", ">=2", NOW)
    apps.declare(tmp_path, "line-4", "digits", a_contract(), NOW)
    apps.declare(tmp_path, "elsewhere", "plates", ">=9", NOW)

    device = Device(tmp_path, shelf).take(Releases(shelf).install(1))

    assert shelf.asked == []
    assert device.record.floor == 0
    assert [(one.outcome, one.reason) for one in reports(tmp_path)] == [
        (
            Outcome.REFUSED,
            "the app 'line-3' could not use it: contract.version: >=2 is required, the package offers 1; the app "
            "'line-4' could not use it: contract.inputs.image: the model has no such tensor; it has none",
        )
    ]


def test_a_package_that_satisfies_every_app_is_installed(tmp_path: Path) -> None:
    shelf = Shelf()
    apps.declare(tmp_path, "line-3", "digits", ">=2", NOW)

    device = Device(tmp_path, shelf).take(Releases(shelf).install(1, of={"contract": a_contract(version=2)}))

    assert device.record.floor == 1
    assert [one.outcome for one in reports(tmp_path)] == [Outcome.COMMITTED]
