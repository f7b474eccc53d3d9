"""The labelling page: one sample after the other, skipped, labelled, taken back, and no more than one's role allows."""

from __future__ import annotations

import re

import pytest

from scenes.dashboard import PASSWORD, USER
from scenes.labelling import LABELLER, add_digits


@pytest.fixture
def desk(hub, browser):
    add_digits(hub, 3)
    browser.post("/login", data={"user": LABELLER, "password": PASSWORD}, follow_redirects=False)
    return browser


def seen(reply) -> str:
    """The id of the sample on the page."""
    found = re.search(r'class="choices">\s*<input type="hidden" name="sample" value="([^"]*)"', reply.text)
    return found[1] if found else ""


def say(desk, sample, label, **more):
    return desk.post("/label/digits", data={"sample": sample, "label": label, **more})


def test_every_input_is_shown_as_what_it_is(desk):
    page = desk.get("/label/digits").text

    assert '<img src="/label/digits/input?sample=' in page
    assert "<audio controls" in page
    assert "parcel 0, scratched" in page
    assert "<dt>pulse</dt><dd>71.5</dd>" in page
    assert desk.get("/label/digits/input?sample=lane-1:s0&name=image").headers["content-type"] == "image/png"
    assert desk.get("/label/digits/input?sample=lane-1:s0&name=sound").content[:4] == b"RIFF"


def test_a_label_leads_to_the_next_sample_until_none_is_left(hub, desk):
    places = []
    page = desk.get("/label/digits")
    while seen(page) and len(places) < 9:
        places.append(seen(page))
        page = say(desk, places[-1], "7")

    assert places == ["lane-1:s0", "lane-1:s1", "lane-1:s2"]
    assert "Everything is labelled" in page.text
    assert {item.label for item in hub.data.samples("digits")} == {7}
    assert hub.data.history("lane-1:s0")[0].source == "page"


def test_a_skipped_sample_waits(desk):
    assert seen(desk.get("/label/digits?skip=1")) == "lane-1:s1"
    assert "that you skipped" in desk.get("/label/digits?skip=3").text


def test_the_last_label_can_be_taken_back(hub, desk):
    page = say(desk, "lane-1:s0", "7")
    assert "Undo the last" in page.text

    page = say(desk, "lane-1:s0", "")

    assert seen(page) == "lane-1:s0"
    assert hub.data.progress("digits").labelled == 0


def test_what_people_disagree_on_is_shown_with_what_they_said(hub, desk):
    from edgewright.contract.api import LabelDraft
    from edgewright.hub.govern import Principal

    for name, number in (("bob", 1), ("eve", 2)):
        hub.data.label(Principal(name=name, roles=()), [LabelDraft(sample="lane-1:s1", label=number)])

    page = desk.get("/label/digits?disputed=true")

    assert seen(page) == "lane-1:s1"
    assert "bob said 1; eve said 2" in " ".join(page.text.split())


def test_the_list_tells_how_far_each_model_is(desk):
    say(desk, "lane-1:s0", "7")

    (told,) = desk.get("/label.json").json()

    assert (told["model"], told["samples"], told["labelled"]) == ("digits", 3, 1)
    assert [item["id"] for item in desk.get("/label/digits/label.json").json()] == ["lane-1:s1", "lane-1:s2"]
    assert "digits" in desk.get("/label").text


def test_without_samples_the_pages_say_what_to_do(browser):
    assert "There is nothing to label" in browser.get("/label").text


def test_a_form_on_another_site_labels_nothing(hub, desk):
    reply = desk.post(
        "/label/digits", data={"sample": "lane-1:s0", "label": "1"}, headers={"sec-fetch-site": "cross-site"}
    )

    assert reply.status_code == 403
    assert hub.data.progress("digits").labelled == 0


def test_who_may_not_label_looks_and_is_told_why(hub, desk):
    desk.post("/login", data={"user": USER, "password": PASSWORD}, follow_redirects=False)

    page = desk.get("/label/digits")

    assert "You may look, and not label" in page.text
    assert seen(page) == ""
    assert say(desk, "lane-1:s0", "7").status_code == 403


@pytest.mark.parametrize("label", ["-1", "x", "9" * 12])
def test_what_is_no_class_is_refused(hub, desk, label):
    assert say(desk, "lane-1:s0", label).status_code == 422


@pytest.mark.parametrize("path", ["/label", "/label/digits"])
def test_pages_hold_no_script_or_style_of_their_own(desk, path):
    page = desk.get(path).text

    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page) == []
    assert page.count('aria-current="page"') == 1
    assert page.count("<h1") == 1
