"""The page of a version's studies: its charts, its table, its JSON twin, and who may see it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient

from edgewright.contract.api import Lineage, StudyState, VersionRecord
from edgewright.hub.web.server import build_app
from edgewright.hub.web.studying.naming import Mark, names_of
from edgewright.hub.web.studying.plot import Dot, axis_across, axis_upwards, plot
from edgewright.hub.web.studying.views import studies_view
from scenes.dashboard import CONTRACT, NOW, PASSWORD, USER, add_models, add_studies, empty_hub
from scenes.studies import study

PATH = "/models/defects/3/optimize"
VERSION = VersionRecord(
    model="defects",
    version=3,
    source_sha256="",
    source_bytes=281_000,
    contract=CONTRACT,
    lineage=Lineage(),
    metrics={},
    task="classification",
    note="",
    created_at=NOW,
    created_by="ana",
)


def text(html: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Iterator[TestClient]:
    """A browser with which ana has logged in, at a hub with studies and little else."""
    hub = empty_hub(tmp_path_factory.mktemp("studied"))
    with hub.db.write() as connection:
        add_models(hub, connection)
        add_studies(connection)
    with TestClient(build_app(hub)) as client:
        client.post("/login", data={"user": USER, "password": PASSWORD}, follow_redirects=False)
        yield client
    hub.db.close()


@pytest.fixture(scope="module")
def page(reader) -> str:
    return reader.get(PATH).text


def test_a_stranger_is_led_to_the_login_page(stranger):
    assert stranger.get(PATH, follow_redirects=False).headers["location"] == "/login"
    assert stranger.get(f"{PATH}.json").status_code == 401


def test_every_target_has_its_newest_study_with_limits_and_reasons(page):
    seen = text(page)

    assert page.count('<section class="panel study"') == 3
    assert "cpu-int8 done Started" in seen
    assert "took 1 min, budget 5 min · 8 trials · limits: a drop of at most 2.00%, p95 0.5 ms, 200 kB on disk" in seen
    assert "t2 is recommended: 3.34 times smaller" in seen
    assert "size_bytes binds; the nearest is t3" in seen
    assert "1 earlier study" in seen


def test_trials_tell_their_figures_with_their_places_and_why(page):
    row = text(re.search(r'<tr id="trial-cpu-int8-t2">.*?</tr>', page, re.DOTALL)[0])

    assert row.startswith("t2 recommended in releases 97.5%")
    assert "clean → static-int8" in row
    assert "97.5% 96.3% to 98.7%" in row
    assert "0.131 ms device" in row
    assert "84.2 kB 60.3 MB hub" in row
    assert "quantised 6 of 6 layers per channel" in row
    assert row.endswith("0.30 points lost, 3.34 times smaller, 1.60 times as fast")
    assert "Parity agrees with the source on 99.4% of the hold-out" in row
    assert "its toolchain vela is not installed" in text(page)


def test_every_chart_has_words_and_its_table(page):
    labels = re.findall(r'<svg class="area"[^>]*role="img" aria-label="([^"]+)"', page)

    assert len(labels) == 6
    assert "on the front are t0, t1, t2, t3. t2 is recommended. The table below has the values." in labels[0]
    assert page.count('<table class="trials">') == 3


def test_the_page_is_polled_as_it_is(reader, page):
    part = reader.get(f"{PATH}/part").text

    assert f'hx-get="{PATH}/part"' in page
    assert text(part) in text(page)


def test_pages_hold_no_script_or_style_of_their_own(page):
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page) == []


def test_ids_are_given_once(page):
    ids = re.findall(r'\sid="([^"]+)"', page)

    assert len(ids) == len(set(ids))


def test_a_program_gets_the_page_as_records(reader):
    records = reader.get(f"{PATH}.json").json()

    assert {record["target"] for record in records} == {"cpu-int8", "raspberry-pi-5", "x86-64-vnni"}
    assert len(records) == 4


def test_a_version_without_studies_says_how_to_begin(reader):
    assert "edgewright optimize run wine@1 --target TARGET" in reader.get("/models/wine/1/optimize").text


def test_a_version_that_is_not_there_is_not_found(reader):
    assert reader.get("/models/wine/9/optimize").status_code == 404


def test_the_dashboard_leads_to_it(reader):
    assert f'href="{PATH}"' in reader.get("/partials/versions").text


def test_what_strayed_is_told_and_not_drawn():
    [view] = studies_view(VERSION, [study()], NOW).studies

    assert view.undrawn == 1
    assert {dot.text for dot in view.plots[0].dots} == {"t0", "t1", "t2", "t3", "t4"}


def test_a_study_that_has_measured_one_trial_has_no_chart():
    begun = study(StudyState.RUNNING, trials=study().trials[:1])

    assert studies_view(VERSION, [begun], NOW).studies[0].plots == ()


def test_points_lie_where_their_figures_say_and_limits_where_they_cut():
    dots = [Dot("a", 1.0, 0.9, "front", ""), Dot("b", 100.0, 0.8, "rest", ""), Dot("c", 10.0, 0.85, "recommended", "")]
    across, upwards = axis_across([1.0, 100.0], str), axis_upwards([0.8, 0.9], str)

    drawn = plot("t", "l", dots, across, upwards, most=10.0, least=0.5)

    place = {dot.text: (dot.x, dot.y) for dot in drawn.dots}
    assert place["c"] == pytest.approx((50.0, 50.0))
    assert place["a"][0] < place["c"][0] < place["b"][0]
    assert place["a"][1] < place["c"][1] < place["b"][1]
    assert [(line.x1, line.x2) for line in drawn.front] == [(place["a"][0], place["c"][0])]
    assert [(limit.kind, limit.x) for limit in drawn.limits] == [("most", 50.0)]
    assert all(0 <= tick.x <= 100 for tick in drawn.across)
    assert 2 <= len(drawn.upwards) <= 5


def test_names_of_dots_in_one_place_stand_together_and_many_are_counted():
    dots = [Dot(f"t{number}", 1.0, 0.9, "rest", "") for number in range(5)] + [Dot("t9", 50.0, 0.5, "front", "")]

    drawn = plot("t", "l", dots, axis_across([1.0, 50.0], str), axis_upwards([0.5, 0.9], str), most=0.0, least=0.0)

    assert {mark.text for mark in drawn.names} == {"t2, t3, t4 +2", "t9"}


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=15))
def test_no_name_of_the_rest_lies_over_another(places):
    names = names_of([Mark(x, y, f"t{number}", "rest") for number, (x, y) in enumerate(places)])

    assert not any(one.overlaps(other) for one, other in combinations(names, 2))


@pytest.mark.parametrize("values", [[0.0001, 0.0001], [0.000021, 3_000_000.0], [5.0, 5.1]])
def test_axes_have_a_few_round_ticks_whatever_their_range(values):
    axis = axis_across(values, str)

    assert 1 <= len(axis.ticks(4)) <= 4
    assert all(0 < axis.place(value) < 100 for value in values)
