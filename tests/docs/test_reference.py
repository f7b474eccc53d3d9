"""The reference says what the code does: tables that repeat a table of the code are held against it."""

from __future__ import annotations

import re
from pathlib import Path

from edgewright.contract import errors, manifest
from edgewright.contract.api import Role
from edgewright.contract.manifest import Budgets, Dependency, File, Manifest, Quantisation, Runtime, Tolerance
from edgewright.contract.tensors import Contract, TensorSpec
from edgewright.hub.govern.model import GRANTS, Permission
from edgewright.hub.provenance import BUILD_TYPES
from edgewright.hub.web import server
from edgewright.hub.web.devices import PREFIX
from edgewright.hub.web.devices import doors as doors_of_devices

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def test_the_table_of_roles_is_the_one_that_requests_are_held_against():
    head = "| permission | " + " | ".join(f"`{role}`" for role in Role) + " |"
    rows = [
        f"| {permission} | " + " | ".join("yes" if permission in GRANTS[role] else "" for role in Role) + " |"
        for permission in Permission
    ]

    table = [line for line in (REFERENCE / "roles.md").read_text().splitlines() if line.startswith("| ")]

    assert table == [head, *rows]


def test_the_api_page_names_every_url_and_no_other():
    routes = {
        f"{method} /api/v1{re.sub(r':[a-z]+}', '}', path)}"
        for room in server.ROOMS
        for handler in room.ROUTES
        for path in handler.paths
        for method in handler.http_methods
    }

    named = set(re.findall(r"^\| `([A-Z]+ /api/v1/[^`]*)`", (REFERENCE / "api.md").read_text(), re.MULTILINE))

    assert named == routes


def test_the_api_page_names_every_door_of_devices():
    source = Path(doors_of_devices.__file__).read_text()
    doors = {f"{method} {PREFIX}{name}" for method, name in re.findall(r'\("([A-Z]+)", "(\w+)"\):', source)}
    doors.add(f"POST {doors_of_devices.CHECK_IN}")

    named = re.findall(rf"^\| `([A-Z]+ {PREFIX}\w+)", (REFERENCE / "api.md").read_text(), re.MULTILINE)

    assert set(named) == doors
    assert len(doors) == 8


def test_the_table_of_errors_is_the_tree_of_errors():
    kinds = [
        errors.Refused,
        errors.InvalidInput,
        errors.Conflict,
        errors.HostileInput,
        errors.UsageError,
        errors.NotFound,
        errors.Unreachable,
        errors.Busy,
        errors.NotAllowed,
        errors.NotLoggedIn,
    ]
    wanted = [(kind.__name__, str(kind.exit_code), str(kind.http_status)) for kind in kinds]

    text = (REFERENCE / "errors.md").read_text()

    assert re.findall(r"^\| `(\w+)` \|.*\| (\d) \| (\d+) \|$", text, re.MULTILINE) == wanted


def test_the_page_of_manifests_names_every_field_and_role():
    page = (REFERENCE / "manifest.md").read_text()
    kinds = (Manifest, File, Quantisation, Runtime, Tolerance, Budgets, Dependency, Contract, TensorSpec)
    wanted = {field for kind in kinds for field in kind.__struct_fields__} | set(manifest.Role)

    assert {name for name in wanted if f"`{name}`" not in page} == set()
    assert f"Format {manifest.FORMAT}." in page


def test_what_statements_call_their_build_type_is_a_heading():
    headings = _headings(REFERENCE / "provenance.md")

    assert {address.partition("#")[2] for address in BUILD_TYPES.values()} <= headings


def test_every_link_leads_to_a_file_and_a_heading():
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"(?<!!)!?\[[^\]]*\]\(([^)\s]+)\)", page.read_text()):
            path, _, heading = target.partition("#")
            place = page.parent / path if path else page
            if "://" in target or (place.exists() and (not heading or heading in _headings(place))):
                continue
            broken.append(f"{page.relative_to(ROOT)}: {target}")

    assert broken == []


def _headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
