"""A small model of texts: the mean of its words' vectors, made with the `tokenizers` library as training code would."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from edgewright.contract.preprocessing.text import Tokenise
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

WORDS = "[PAD] [UNK] [CLS] [SEP] pump runs leak ##s ##ing hot cold loud fine and the is too very , . !"
VOCABULARY = WORDS.split(" ")
TABLE = "\n".join(VOCABULARY) + "\n"
GOOD, BAD = ["pump runs", "is fine", "very cold", "runs and runs"], ["leaks", "too hot!", "Leaking, loud", "is LOUD"]
LENGTH = 12

STEP = Tokenise(input="text", output="ids", mask="mask", table="vocab.txt", max_length=LENGTH)
CONTRACT = Contract(
    inputs=(TensorSpec(name="text", dtype=Dtype.STRING, shape=(None,)),),
    outputs=(TensorSpec(name="scores", dtype=Dtype.FLOAT32, shape=(None, 2), kind=Kind.SCORES),),
    preprocessing=(STEP,),
)


def rows(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Texts, and whether each is bad."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    texts = [f"The {random.choice(BAD if label else GOOD)} {random.choice(['', '.', '!'])}" for label in labels]
    return np.array(texts), labels.astype(np.int64)


def tokens(texts: np.ndarray) -> dict[str, np.ndarray]:
    """What the training code feeds: numbers and mask by the library."""
    numbers = {word: number for number, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    ends = [(token, numbers[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(length=LENGTH)
    found = tokenizer.encode_batch([str(text) for text in texts])
    ids, mask = ([getattr(one, name) for one in found] for name in ("ids", "attention_mask"))
    return {"ids": np.array(ids), "mask": np.array(mask)}


def vectors() -> np.ndarray:
    """One pair of scores for each word, by least squares."""
    texts, labels = rows(200, seed=1)
    means = np.array([_bag(*pair) for pair in zip(*tokens(texts).values(), strict=True)])
    found = np.linalg.lstsq(means, np.eye(2)[labels] * 8 - 4, rcond=None)[0]
    return found.astype(np.float32)


def onnx() -> bytes:
    """scores = softmax(mean of the vectors of the words that the mask leaves)."""
    node = helper.make_node
    nodes = [
        node("Gather", ["vectors", "ids"], ["words"]),
        node("Cast", ["mask"], ["there"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["there", "last"], ["kept"]),
        node("Mul", ["words", "kept"], ["left"]),
        node("ReduceSum", ["left", "middle"], ["sum"], keepdims=0),
        node("ReduceSum", ["there", "middle"], ["count"], keepdims=1),
        node("Div", ["sum", "count"], ["mean"]),
        node("Softmax", ["mean"], ["scores"]),
    ]
    constants: dict[str, Any] = {"vectors": vectors(), "last": np.array([-1]), "middle": np.array([1])}
    graph = helper.make_graph(
        nodes,
        "words",
        [helper.make_tensor_value_info(name, TensorProto.INT64, [None, LENGTH]) for name in ("ids", "mask")],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def scores(texts: np.ndarray) -> np.ndarray:
    """What the training code gives."""
    means = np.array([_bag(*pair) for pair in zip(*tokens(texts).values(), strict=True)]) @ vectors()
    powers = np.exp(means - means.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _bag(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.bincount(ids[mask == 1], minlength=len(VOCABULARY)) / mask.sum()
