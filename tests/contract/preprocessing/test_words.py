"""Text becomes the tokens that the `tokenizers` library makes of it, with BERT's rules and the same table."""

from __future__ import annotations

import unicodedata
from unicodedata import ucd_3_2_0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prepared import done
from tokenizers import Tokenizer
from tokenizers.models import WordLevel, WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.preprocessing.text import Padding, Tokenise, Vocabulary

LINES = (
    "[PAD] [UNK] [CLS] [SEP] the pump runs hot and leak ##s ##ing cold un ##usual ##ly loud , . ! - ' ( ) 4 ##2 °c",
    "grün grun stra ##ße strasse be ##arin ##g e ##́ 轴 承 é ##é a b c ##a ##b ##c i o ς σ οδοσ — … € $ ^ ` The",
)
TABLE = [word for line in LINES for word in line.split()]
TEXTS = [
    "The pump runs hot, and leaks!",
    "unusually LOUD bearing (42°C)",
    "",
    "   \t\n ",
    "grün Straße - 轴承",
    "leak\u200bing cold\x00 un\u00adusual a\u0301b İo ΟΔΟΣ",
    "a\x0bb\x1cc\x85a b\u2028c\u3000the\u00a0pump",
    "abc" * 40,
    "don't — stop… $4 €4 ^a^ `b`",
]


def table(words: list[str] = TABLE) -> dict[str, bytes]:
    return {"vocab.txt": "\n".join(words).encode() + b"\n"}


def oracle(step: Tokenise, words: list[str] = TABLE) -> Tokenizer:
    numbers = {word: number for number, word in enumerate(words)}
    kind = WordPiece if step.vocabulary is Vocabulary.WORDPIECE else WordLevel
    tokenizer = Tokenizer(kind(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=step.lower, strip_accents=step.lower)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    ends = [(token, numbers[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.enable_truncation(step.max_length)
    length = step.max_length if step.padding is Padding.MAX_LENGTH else None
    tokenizer.enable_padding(length=length, pad_id=numbers["[PAD]"])
    tokenizer.encode_special_tokens = True  # '[SEP]' in an app's text is text
    return tokenizer


def a_step(**changes: object) -> Tokenise:
    return Tokenise(**{"input": "x", "output": "ids", "mask": "mask", "table": "vocab.txt", "max_length": 16} | changes)


@pytest.mark.parametrize("padding", Padding)
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("vocabulary", Vocabulary)
@pytest.mark.parametrize("max_length", [3, 6, 64])
def test_tokens_are_those_of_the_library(
    vocabulary: Vocabulary, lower: bool, padding: Padding, max_length: int
) -> None:
    step = a_step(vocabulary=vocabulary, lower=lower, padding=padding, max_length=max_length)

    found = done(np.array(TEXTS, object), step, files=table())

    wanted = oracle(step).encode_batch(TEXTS)
    np.testing.assert_array_equal(found["ids"], [one.ids for one in wanted])
    np.testing.assert_array_equal(found["mask"], [one.attention_mask for one in wanted])


SETTLED = [
    char
    for char in map(chr, range(0x10000))
    if ucd_3_2_0.category(char) == unicodedata.category(char) and unicodedata.category(char) not in ("Cs", "Cn")
]
"""Characters that mean the same in every version of Unicode: the library's is another than Python's."""


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from(SETTLED), max_size=30), st.booleans())
def test_no_text_is_split_in_another_way(text: str, lower: bool) -> None:
    every = sorted({"[PAD]", "[UNK]", "[CLS]", "[SEP]", *text, *text.lower(), *(f"##{char}" for char in text)})
    step = a_step(lower=lower, max_length=128)

    found = done(np.array([text], object), step, files=table([word for word in every if "\n" not in word]))

    wanted = oracle(step, [word for word in every if "\n" not in word]).encode(text)
    assert found["ids"].tolist() == [wanted.ids]


def test_mask_and_types_are_made_where_they_are_wanted() -> None:
    found = done(np.array(["the pump", "the"], object), a_step(types="types", max_length=5), files=table())
    alone = done(np.array(["the pump"], object), a_step(mask=""), files=table())

    assert found["ids"].tolist() == [[2, 4, 5, 3, 0], [2, 4, 3, 0, 0]]
    assert found["mask"].tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]]
    assert found["types"].tolist() == [[0] * 5] * 2
    assert set(alone) == {"x", "ids"}


def test_a_table_without_marks_for_the_ends_may_do_without() -> None:
    step = a_step(begin="", end="", vocabulary=Vocabulary.WORDS, padding=Padding.LONGEST, max_length=3)

    found = done(np.array([["the pump runs hot"], [""]], object), step, files=table())

    assert found["ids"].tolist() == [[4, 5, 6], [0, 0, 0]]


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"[PAD]\n[UNK]\n[CLS]", "no token '[SEP]'"), (b"\xff\xfe", "not UTF-8"), (b"\n" * 2**21, "lines")],
)
def test_a_table_that_will_not_do_is_hostile(data: bytes, says: str) -> None:
    with pytest.raises(HostileInput) as refused:
        done(np.array(["the"], object), a_step(), files={"vocab.txt": data})

    assert says in refused.value.message
    assert refused.value.field == "files.vocab.txt"


def test_what_is_no_text_is_the_apps_mistake() -> None:
    with pytest.raises(InvalidInput) as refused:
        done(np.array([b"the"], object), a_step(), files=table())

    assert refused.value.field == "x"
    assert "bytes" in refused.value.message


def test_texts_without_end_cost_no_more_than_their_first_tokens() -> None:
    texts = np.array(["the " * 10**6, "x" * 10**6], object)

    found = done(texts, a_step(max_length=8), files=table())

    assert found["ids"].tolist() == [[2, 4, 4, 4, 4, 4, 4, 3], [2, 1, 3, 0, 0, 0, 0, 0]]
