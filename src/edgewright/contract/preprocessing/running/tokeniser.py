"""Splits text into words as BERT does, and words into the tokens of a vocabulary."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.contract.errors import InvalidInput
from edgewright.contract.preprocessing.running.vocabulary import Words
from edgewright.contract.preprocessing.text import Padding, Tokenise, Vocabulary

Array = npt.NDArray[Any]
MAX_WORD_CHARS = 100
"""A longer word is unknown, as in BERT."""
INSIDE = "##"
_CACHED_WORDS = 2**14
_CONTROLS = dict.fromkeys((0x0B, 0x0C, *range(0x1C, 0x20), 0x85))  # Python splits at them; BERT drops them
_DROPPED = frozenset({"Cc", "Cf", "Co"})
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class Tokeniser:
    """Does one tokenise step: texts in, their tokens' numbers out, with mask and types where they are wanted."""

    def __init__(self, step: Tokenise, words: Words) -> None:
        self._step = step
        self._words = words
        numbers = _pieces(words) if step.vocabulary is Vocabulary.WORDPIECE else _whole(words)
        self._numbers = functools.lru_cache(_CACHED_WORDS)(numbers)

    def __call__(self, texts: Array) -> tuple[Array, ...]:
        """Arrays of int64, (rows, tokens); raises InvalidInput for what is no text."""
        rows = [self._row(text) for text in texts.reshape(-1)]
        longest = max(map(len, rows), default=0)
        width = self._step.max_length if self._step.padding is Padding.MAX_LENGTH else max(longest, 1)
        tokens = np.full((len(rows), width), self._words.pad, np.int64)
        mask = np.zeros_like(tokens)
        for place, row in enumerate(rows):
            tokens[place, : len(row)] = row
            mask[place, : len(row)] = 1
        wanted = {self._step.mask: mask, self._step.types: np.zeros_like(tokens)}
        return (tokens, *(wanted[name] for name in self._step.outputs[1:]))

    def _row(self, text: object) -> list[int]:
        if not isinstance(text, str):
            raise InvalidInput(f"it holds a {type(text).__name__}, not text", field=self._step.input)
        begin, end = ([number] if number >= 0 else [] for number in (self._words.begin, self._words.end))
        room = self._step.max_length - len(begin) - len(end)
        numbers = (number for word in words_of(text, self._step.lower) for number in self._numbers_of(word))
        return [*begin, *islice(numbers, room), *end]

    def _numbers_of(self, word: str) -> tuple[int, ...]:
        return self._numbers(word) if len(word) <= MAX_WORD_CHARS else (self._words.unknown,)


def words_of(text: str, lower: bool) -> Iterator[str]:
    """Words and signs of punctuation, one after the other, split and cleaned as BERT's basic tokeniser does."""
    for chunk in text.translate(_CONTROLS).split():
        if chunk.isascii() and chunk.isalnum():
            yield chunk.lower() if lower else chunk
        else:
            yield from _split(_plain(chunk, lower))


def _plain(chunk: str, lower: bool) -> str:
    """Without control characters, ideographs set apart, in lower case without accents if wanted."""
    kept = "".join(
        f" {char} " if _is_ideograph(char) else " " if unicodedata.category(char) == "Zs" else char
        for char in chunk
        if char not in "\0\ufffd" and unicodedata.category(char) not in _DROPPED
    )
    if not lower:
        return kept
    apart = unicodedata.normalize("NFD", kept)
    return "".join(char.lower() for char in apart if unicodedata.category(char) != "Mn")


def _split(text: str) -> Iterator[str]:
    for word in text.split():
        begin = 0
        for place, char in enumerate(word):
            if _is_punctuation(char):
                if begin < place:
                    yield word[begin:place]
                yield char
                begin = place + 1
        if begin < len(word):
            yield word[begin:]


def _whole(words: Words) -> Callable[[str], tuple[int, ...]]:
    return lambda word: (words.numbers.get(word, words.unknown),)


def _pieces(words: Words) -> Callable[[str], tuple[int, ...]]:
    """The longest piece first, from the left; unknown as a whole where that leads nowhere (WordPiece, BERT)."""

    def numbers(word: str) -> tuple[int, ...]:
        found: list[int] = []
        begin = 0
        while begin < len(word):
            mark = INSIDE if begin else ""
            ends = range(len(word), begin, -1)
            end = next((end for end in ends if mark + word[begin:end] in words.numbers), 0)
            if not end:
                return (words.unknown,)
            found.append(words.numbers[mark + word[begin:end]])
            begin = end
        return tuple(found)

    return numbers


@functools.lru_cache(4096)
def _is_punctuation(char: str) -> bool:
    """Every printable ASCII character that is neither letter nor digit, and what Unicode calls punctuation."""
    if char.isascii():
        return char.isprintable() and not char.isalnum() and char != " "
    return unicodedata.category(char).startswith("P")


def _is_ideograph(char: str) -> bool:
    return char >= "\u3400" and any(low <= ord(char) <= high for low, high in _IDEOGRAPHS)
