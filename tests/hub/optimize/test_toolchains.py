"""Toolchains count once they are whole, and not before."""

from __future__ import annotations

import shutil
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from edgewright.contract.errors import InvalidInput, NotFound, Refused
from edgewright.hub.optimize.toolchains import (
    TOOLCHAINS,
    Toolchain,
    ToolchainFails,
    installations,
    installed,
    make,
    remove,
    toolchain,
)
from edgewright.hub.optimize.toolchains.making import NoRoom
from edgewright.hub.optimize.toolchains.pinned import PackagesFail, run

Usage = namedtuple("Usage", "total used free")


def linked(folder: Path, tell) -> None:
    """A build that takes no time: the Python of these tests."""
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    tell(10, 0)


SMALL = Toolchain(
    name="small", title="for tests", needs_bytes=100, versions={"part": "1.0"}, build=linked, check=("-I", "-c", "pass")
)


def test_one_that_passes_its_check_is_installed_and_left_alone_the_next_time(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    made = make(SMALL, tmp_path, lambda done, total: told.append((done, total)))
    again = make(replace(SMALL, build=broken), tmp_path, print)

    assert made.state == again.state == "installed"
    assert told == [(10, 100)]
    assert installed(tmp_path) == {"small": tmp_path / "small" / "bin" / "python"}
    assert [one.state for one in installations(tmp_path, {"small": SMALL})] == ["installed"]


def test_one_whose_check_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    bad = replace(SMALL, check=("-I", "-c", "raise SystemExit('a part is missing')"))

    with pytest.raises(ToolchainFails, match="a part is missing"):
        make(bad, tmp_path, print)

    assert list(tmp_path.iterdir()) == []


def test_one_that_is_half_made_does_not_count(tmp_path: Path) -> None:
    linked(hidden(tmp_path), lambda done, total: None)

    assert installed(tmp_path) == {}
    assert [one.state for one in installations(tmp_path, {"small": SMALL})] == ["none"]


def test_one_with_other_versions_is_outdated_and_replaced(tmp_path: Path) -> None:
    make(SMALL, tmp_path, print)
    newer = replace(SMALL, versions={"part": "2.0"})

    before = installations(tmp_path, {"small": newer})
    after = make(newer, tmp_path, lambda done, total: None)

    assert [one.state for one in before] == ["outdated"]
    assert (after.state, after.versions) == ("installed", {"part": "2.0"})
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_a_build_that_fails_leaves_the_older_one_in_its_place(tmp_path: Path) -> None:
    make(SMALL, tmp_path, print)

    with pytest.raises(Refused, match="no network"):
        make(replace(SMALL, versions={"part": "2.0"}, build=broken), tmp_path, print)

    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_room_on_the_disk_is_asked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 10**6))

    with pytest.raises(NoRoom, match=r"takes 0\.1 GB.* has 0\.0 GB free"):
        make(SMALL, tmp_path, print)


def test_a_dry_run_makes_nothing(tmp_path: Path) -> None:
    found = make(SMALL, tmp_path / "new", print, dry_run=True)

    assert found.state == "none"
    assert not (tmp_path / "new").exists()


def test_one_is_removed_whole_and_only_by_its_name(tmp_path: Path) -> None:
    make(SMALL, tmp_path, lambda done, total: None)

    for name in ("", ".", "..", "../x", ".hidden"):
        with pytest.raises(InvalidInput):
            remove(name, tmp_path)
    with pytest.raises(NotFound):
        remove("other", tmp_path)
    remove("small", tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_a_folder_that_hubs_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(SMALL, tmp_path, lambda done, total: None)
    monkeypatch.setenv("EDGEWRIGHT_TOOLCHAINS", str(tmp_path))

    assert list(installed(Path("elsewhere"))) == ["small"]


def test_a_command_that_fails_says_its_last_words(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import sys; print('no such wheel'); sys.exit(3)"]

    with pytest.raises(PackagesFail, match="no such wheel"):
        run(argv, tmp_path, lambda done, total: None)


def test_what_is_not_known_is_refused_with_what_is() -> None:
    with pytest.raises(NotFound) as refused:
        toolchain("tensorflow")

    assert "litert" in refused.value.hint


def test_every_version_is_pinned_and_none_is_torch() -> None:
    assert all(version[0].isdigit() for one in TOOLCHAINS.values() for version in one.versions.values())
    assert not any("torch" in one.versions for one in TOOLCHAINS.values())


def broken(folder: Path, tell) -> None:
    raise PackagesFail("no network")


def hidden(folder: Path) -> Path:
    made = folder / ".small-x1" / "small"
    made.mkdir(parents=True)
    return made
