"""The step for text: strings become the numbers of a vocabulary's words."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from edgewright.contract.dtype import Dtype
from edgewright.contract.preprocessing.tensor import Declared, MaybeName, Tensor, require_dtype, unfit
from edgewright.contract.wire import Name

MAX_TOKENS = 2**14
TokenText = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
MaybeToken = Annotated[str, msgspec.Meta(max_length=100)]


class Vocabulary(StrEnum):
    """How a word is looked up in the table."""

    WORDPIECE = "wordpiece"  # in pieces, the longest first; '##' begins those inside a word (BERT)
    WORDS = "words"  # as a whole


class Padding(StrEnum):
    """To which length rows are filled up."""

    MAX_LENGTH = "max-length"
    LONGEST = "longest"  # of the rows of one request


class Tokenise(Declared, frozen=True, kw_only=True, tag="tokenise"):
    """Texts become rows of int64: the places of their tokens in `table`, a text file with a token in each line.

    `mask` and `types` name two more tensors of that shape: 1 for a token and 0 for padding; 0 everywhere. Words are
    split as BERT does; `lower` puts them in lower case and takes their accents. A text has at most `max_length`
    tokens with `begin` and `end`; those past it are left out.
    """

    table: Name
    vocabulary: Vocabulary = Vocabulary.WORDPIECE
    lower: bool = True
    max_length: Annotated[int, msgspec.Meta(ge=3, le=MAX_TOKENS)]
    padding: Padding = Padding.MAX_LENGTH
    begin: MaybeToken = "[CLS]"
    end: MaybeToken = "[SEP]"
    unknown: TokenText = "[UNK]"
    pad: TokenText = "[PAD]"
    mask: MaybeName = ""
    types: MaybeName = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The tokens, then mask and types where they are wanted."""
        return (self.output or self.input, *(name for name in (self.mask, self.types) if name))

    @property
    def tables(self) -> tuple[str, ...]:
        """The vocabulary."""
        return (self.table,)

    def results(self, given: Tensor) -> tuple[Tensor, ...]:
        """Text of shape [rows] or [rows, 1] becomes int64 of shape [rows, tokens]."""
        require_dtype(given, (Dtype.STRING,))
        if len(given.shape) not in (1, 2) or given.shape[1:] not in ((), (1,)):
            raise unfit("input", f"it takes one text a row, the tensor has the shape {list(given.shape)}")
        if len(set(self.outputs)) < len(self.outputs):
            raise unfit("output", "output, mask and types must have different names")
        tokens = self.max_length if self.padding is Padding.MAX_LENGTH else None
        return (Tensor(Dtype.INT64, (given.shape[0], tokens)),) * len(self.outputs)
