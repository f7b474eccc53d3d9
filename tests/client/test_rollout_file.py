"""Plans of rollouts as files: written and read again, and refused with the key that is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.client import rollout_file
from edgewright.contract.api import Budget, GateDraft, GateRule, RolloutDraft, ScheduleDraft, SiteCap, WaveDraft
from edgewright.contract.errors import InvalidInput

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
GATES = st.builds(GateDraft, patience_s=st.floats(1, 1e6), rules=st.just((GateRule(metric="crashes", limit=0.5),)))
WAVES = st.builds(
    WaveDraft,
    count=st.integers(0, 9),
    selector=TEXT,
    soak_s=st.floats(0, 1e6),
    gate=st.none() | GATES,
    needs_promotion=st.booleans(),
)
DRAFTS = st.builds(
    RolloutDraft,
    release=TEXT,
    group=TEXT,
    waves=st.lists(st.integers(1, 9), max_size=3).map(tuple) | st.lists(WAVES, max_size=3).map(tuple),
    gate=GATES,
    target_of=st.dictionaries(TEXT, TEXT, max_size=2),
    schedule=st.builds(
        ScheduleDraft,
        start_at=st.none() | st.integers(0, 2_000_000_000).map(float),
        windows=st.lists(TEXT, max_size=2).map(tuple),
    ),
    budgets=st.just((Budget(per="site", max_unavailable=1),)),
    caps=st.just((SiteCap(per="site", bytes_s=1.5),)),
    emergency=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12),
)


@given(DRAFTS)
def test_what_is_written_is_read_again(tmp_path_factory, draft):
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    path.write_text(rollout_file.write(draft), encoding="utf-8")

    assert rollout_file.read(path) == draft


def test_a_plain_plan_is_three_lines():
    draft = RolloutDraft(release="digits/4", group="lanes", waves=(1, 3, 8))

    text = rollout_file.write(draft)

    assert text.splitlines()[1:] == ["format = 1", 'release = "digits/4"', 'group = "lanes"', "waves = [1, 3, 8]"]


def test_a_number_among_waves_is_written_as_a_count(tmp_path):
    path = tmp_path / "plan.toml"
    draft = RolloutDraft(release="digits/4", group="lanes", waves=(1, WaveDraft(percent=5)))

    path.write_text(rollout_file.write(draft))

    assert path.read_text().count("[[waves]]") == 2
    assert rollout_file.read(path).waves == (WaveDraft(count=1), WaveDraft(percent=5))


def test_waves_may_be_written_in_short_and_starts_as_times(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(
        'release = "digits/4"\ngroup = "lanes"\nwaves = [1, "site=berlin", "12.5%"]\n'
        "[schedule]\nstart_at = 2026-12-01T22:00:00+01:00\n"
    )

    draft = rollout_file.read(path)

    assert draft.waves == (1, WaveDraft(selector="site=berlin"), WaveDraft(percent=12.5))
    assert draft.schedule.start_at == 1_796_158_800.0


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("release = ", "file"),
        ("format = 2", "format"),
        ('release = "digits/4"', "group"),
        ('release = 4\ngroup = "g"\nwaves = []', "release"),
        ('release = "d/4"\ngroup = "g"\nwaves = 3', "waves"),
        ('release = "d/4"\ngroup = "g"\nwaves = ["many"]', "waves"),
        ('release = "d/4"\ngroup = "g"\nwaves = [1]\nwave = 2', "wave"),
        ('release = "d/4"\ngroup = "g"\n[[waves]]\ncount = 1\nsoak = 3', "waves.1.soak"),
        ('release = "d/4"\ngroup = "g"\nwaves = [1]\n[gate]\nluck = 1', "gate.luck"),
    ],
)
def test_a_plan_that_is_wrong_names_the_key(tmp_path, text, field):
    path = tmp_path / "plan.toml"
    path.write_text(text)

    with pytest.raises(InvalidInput) as caught:
        rollout_file.read(path)

    assert caught.value.field in (field, "file")
    assert field in f"{caught.value.field} {caught.value.message}" or field == "file"
