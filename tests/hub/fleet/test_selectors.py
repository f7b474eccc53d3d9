"""Selectors, labels and the shapes of drafts: the fleet's pure rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.contract.api import ClaimDraft, GroupDraft
from edgewright.contract.errors import InvalidInput
from edgewright.hub.fleet.model import check_claim_draft, check_group_draft, matches, token, token_sha256

NAMES = st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("selector", "labels", "is_in"),
    [
        ("all", {}, True),
        (" all ", {"site": "berlin"}, True),
        ("site=berlin", {"site": "berlin", "line": "1"}, True),
        ("site=berlin,line=1", {"site": "berlin", "line": "1"}, True),
        ("site=berlin, line = 2", {"site": "berlin", "line": "1"}, False),
        ("site=berlin", {}, False),
        ("all=1", {"all": "1"}, True),
        ("all=1", {}, False),
    ],
)
def test_a_selector_takes_in_the_devices_whose_labels_hold_every_term(selector, labels, is_in):
    assert matches(selector, labels) is is_in


@pytest.mark.parametrize(
    ("selector", "bad"), [("site=berlin,line", "line"), ("=x", "=x"), ("", ""), ("site=", "site="), ("a=b,,c=d", "")]
)
def test_a_bad_selector_is_refused_and_the_bad_term_is_named(selector, bad):
    with pytest.raises(InvalidInput, match=f"'{bad}' in the selector") as caught:
        matches(selector, {})

    assert caught.value.field == "selector"
    assert "site=berlin,line=1" in caught.value.hint


@given(st.dictionaries(NAMES, NAMES, min_size=1, max_size=5))
def test_a_device_matches_the_selector_made_of_its_own_labels(labels):
    selector = ",".join(f"{name}={value}" for name, value in labels.items())

    assert matches(selector, labels)
    assert not matches(selector, {name: value + "x" for name, value in labels.items()})


@given(st.binary(min_size=32, max_size=32))
def test_a_token_holds_all_its_256_bits_and_its_digest_does_not_show_them(secret):
    text = token("ewc_", secret)

    assert len(text) == 4 + 43
    assert text[4:] not in token_sha256(text)


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (ClaimDraft(count=0), "count"),
        (ClaimDraft(count=100_000), "count"),
        (ClaimDraft(expires_in_s=0), "expires_in_s"),
        (ClaimDraft(expires_in_s=float("nan")), "expires_in_s"),
        (ClaimDraft(labels={"a,b": "c"}), "labels"),
        (ClaimDraft(labels={"a": "b=c"}), "labels"),
        (ClaimDraft(labels={str(n): "x" for n in range(33)}), "labels"),
    ],
)
def test_claim_drafts_that_cannot_be_are_refused_by_field(draft, field):
    with pytest.raises(InvalidInput) as caught:
        check_claim_draft(draft)

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (GroupDraft(name="Line 1", selector="all"), "name"),
        (GroupDraft(name="lanes"), "selector"),
        (GroupDraft(name="lanes", selector="all", devices=("dev-1",)), "selector"),
        (GroupDraft(name="lanes", selector="site"), "selector"),
    ],
)
def test_group_drafts_that_cannot_be_are_refused_by_field(draft, field):
    with pytest.raises(InvalidInput) as caught:
        check_group_draft(draft)

    assert caught.value.field == field
