"""What people type to change labels."""

from __future__ import annotations

import pytest

from edgewright.cli.arguments import edit_of
from edgewright.contract.api import LabelEdit
from edgewright.contract.errors import UsageError


def test_an_equals_sign_sets_a_label_and_a_dash_at_the_end_takes_it_off():
    edit = edit_of(["site=berlin", "line-", "note=a=b-"])

    assert edit == LabelEdit(set={"site": "berlin", "note": "a=b-"}, remove=("line",))


@pytest.mark.parametrize("word", ["site", "=berlin", ""])
def test_other_words_are_refused_with_the_form(word):
    with pytest.raises(UsageError) as caught:
        edit_of([word])

    assert "line-" in caught.value.hint
