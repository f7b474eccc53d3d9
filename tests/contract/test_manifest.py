"""The rules that hub and device share on what a package needs."""

from __future__ import annotations

import pytest

from edgewright.contract.manifest import Runtime


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [
        ("1.19.9", False),
        ("1.20", True),
        ("1.20.0", True),
        ("1.23.2+cpu", True),
        ("1.100", True),
        ("2", False),
        ("2.0.0", False),
        ("none", False),
    ],
)
def test_a_runtime_is_taken_from_its_minimum_up_to_but_not_its_bound(version: str, is_taken: bool) -> None:
    needed = Runtime(name="onnxruntime", minimum="1.20.0", below="2")

    assert needed.takes(version) is is_taken


def test_no_bound_takes_every_later_version() -> None:
    assert Runtime(name="onnxruntime", minimum="1.20", below="").takes("99.1")
