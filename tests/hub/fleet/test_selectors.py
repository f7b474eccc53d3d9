"""Selectors: which devices are meant, by labels and by what was measured, and why."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.contract.api import DeviceState
from edgewright.contract.errors import InvalidInput
from edgewright.contract.report import ModelState
from edgewright.hub.fleet import DeviceFacts, Machine, Selector

NAMES = st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True)
PI = DeviceFacts(
    id="dev-1",
    name="lane-1",
    labels={"site": "berlin", "line": "1", "camera": "yes", "slot": "12"},
    machine=Machine(
        arch="aarch64",
        cores=4,
        ram_bytes=2_048_000_000,
        hardware_ids=("raspberrypi,4-model-b", "brcm,bcm2711"),
        runtimes={"onnxruntime": "1.23.2"},
        providers={"onnxruntime": ("CPU", "XNNPACK")},
        accelerators=("hailo",),
    ),
    models=(ModelState(model="digits", version=4, counter=3, manifest_sha256="ab", step="idle"),),
    seen_at=1.0,
    link_kind="cellular",
    time_zone="Europe/Berlin",
    disk_free_bytes=500 * 10**6,
    agent_version="0.10.1",
)
BARE = msgspec.structs.replace(
    PI,
    labels={},
    machine=Machine(arch="x86_64", cores=1, ram_bytes=0, hardware_ids=(), runtimes={}, providers={}),
    models=(),
    link_kind="",
    time_zone="",
    agent_version="",
)


@pytest.mark.parametrize(
    "selector",
    [
        "all",
        " all ",
        "site=berlin",
        "site=berlin, line = 1",
        "site=hamburg|berlin",
        "site!=hamburg",
        "site!=hamburg|oslo",
        "town!=oslo",
        "camera",
        "!radar",
        "slot>=2",
        "slot<100",
        "arch=aarch64",
        "cores>=4",
        "cores=4",
        "ram_mb>=2048",
        "ram_mb<=2048",
        "disk_free_mb>100",
        "runtime.onnxruntime>=1.20",
        "runtime.onnxruntime<1.100",
        "runtime.onnxruntime=1.23.2.0",
        "runtime.onnxruntime",
        "!runtime.tflite",
        "provider.onnxruntime=XNNPACK",
        "accelerator=cuda|hailo",
        "accelerator!=cuda",
        "hardware=4-model-b|5-model-b",
        "agent>=0.9",
        "link=cellular",
        "time_zone=Europe/Berlin",
        "model.digits>=3",
        "model.digits",
        "!model.wine",
        "state=active",
        "name=lane-1",
    ],
)
def test_a_term_that_holds_takes_the_device(selector):
    assert Selector(selector).takes(PI)


@pytest.mark.parametrize(
    "selector",
    [
        "site=berlin,line=2",
        "site!=berlin",
        "site!=oslo|berlin",
        "!camera",
        "radar",
        "slot<2",
        "site>3",
        "cores<4",
        "ram_mb>2048",
        "runtime.onnxruntime>=1.24",
        "runtime.tflite>=1",
        "accelerator=cuda",
        "agent<0.9",
        "model.digits>3",
        "model.wine>=1",
        "state=quarantined",
    ],
)
def test_a_term_that_does_not_hold_leaves_the_device_out(selector):
    assert not Selector(selector).takes(PI)


@pytest.mark.parametrize("name", ["ram_mb", "link", "time_zone", "agent", "accelerator", "runtime.onnxruntime"])
def test_what_is_not_known_of_a_device_holds_only_where_its_lack_is_asked_for(name):
    assert Selector(f"!{name},{name}!=1").takes(BARE)
    assert not any(Selector(term).takes(BARE) for term in (name, f"{name}=1"))


def test_a_label_goes_before_what_was_measured_under_that_name():
    labelled = msgspec.structs.replace(PI, labels={"state": "bavaria", "cores": "many"})

    assert Selector("state=bavaria,cores=many").takes(labelled)
    assert not Selector("state=active").takes(labelled)
    assert not Selector("cores>=1").takes(labelled)


@pytest.mark.parametrize(
    ("selector", "bad", "hint"),
    [
        ("=x", "=x", "site=berlin"),
        ("", "", "site=berlin"),
        ("site=", "site=", "site=berlin"),
        ("a=b,,c=d", "", "site=berlin"),
        ("site=a|", "site=a|", "site=berlin"),
        ("site=berlin,ram_mb>=lots", "ram_mb>=lots", "plain number"),
        ("slot<b", "slot<b", "plain number"),
        ("cores>=1|2", "cores>=1|2", "Alternatives"),
        ("arch>=aarch64", "arch>=aarch64", "Use = or !="),
        ("runtime.onnxruntime>=new", "runtime.onnxruntime>=new", "a version"),
        ("a=b=c", "a=b=c", "site=berlin"),
        ("!a=b", "!a=b", "site=berlin"),
        ("two words", "two words", "site=berlin"),
        ("all,site=berlin", "all", "Leave it out"),
        ("!all", "!all", "Leave it out"),
    ],
)
def test_a_bad_selector_is_refused_and_the_bad_term_is_named_with_the_fix(selector, bad, hint):
    with pytest.raises(InvalidInput) as caught:
        Selector(selector)

    assert f"'{bad}' in the selector" in caught.value.message
    assert caught.value.field == "selector"
    assert hint in caught.value.hint


def test_a_selector_of_endless_length_is_refused():
    with pytest.raises(InvalidInput, match="at most 1000 characters"):
        Selector(",".join(["site=berlin"] * 200))


def test_why_a_device_is_not_in_is_told_term_by_term():
    found = Selector("site=berlin,ram_mb>=4096,runtime.tflite,accelerator=cuda|hailo").explain(PI)

    assert [tuple(one) for one in found] == [
        ("site=berlin", True, "berlin"),
        ("ram_mb>=4096", False, "2048"),
        ("runtime.tflite", False, "nothing"),
        ("accelerator=cuda|hailo", True, "hailo"),
    ]


def test_a_selector_names_the_models_that_it_asks_for():
    assert Selector("model.digits>=3,!model.wine,site=berlin").models == {"digits", "wine"}


def test_a_quarantined_device_can_be_selected_by_its_state():
    assert Selector("state=quarantined").takes(msgspec.structs.replace(PI, state=DeviceState.QUARANTINED))


@given(st.dictionaries(NAMES, NAMES, min_size=1, max_size=5))
def test_a_device_matches_the_selector_made_of_its_own_labels(labels):
    device = msgspec.structs.replace(PI, labels=labels)
    other = msgspec.structs.replace(PI, labels={name: value + "x" for name, value in labels.items()})
    selector = Selector(",".join(f"{name}={value}" for name, value in labels.items()))

    assert selector.takes(device)
    assert not selector.takes(other)


@given(st.text(max_size=60))
def test_any_text_is_a_selector_or_refused_as_one(text):
    try:
        selector = Selector(text)
    except InvalidInput:
        return
    assert selector.takes(PI) == all(finding.holds for finding in selector.explain(PI))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=4), st.lists(st.integers(0, 30), min_size=1, max_size=4))
def test_versions_are_compared_number_by_number(ours, theirs):
    def text(numbers):
        return ".".join(map(str, numbers))

    length = max(len(ours), len(theirs))
    padded = [numbers + [0] * (length - len(numbers)) for numbers in (ours, theirs)]
    device = msgspec.structs.replace(PI, machine=msgspec.structs.replace(PI.machine, runtimes={"r": text(ours)}))

    assert Selector(f"runtime.r>={text(theirs)}").takes(device) is (padded[0] >= padded[1])
    assert Selector(f"runtime.r={text(theirs)}").takes(device) is (padded[0] == padded[1])
