"""The loop: batches, AdamW with a falling rate, a line for each epoch. The same seed gives the same weights."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

import torch

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.steps.training.learning.lessons import Lessons

BATCHES = ((100_000, 256), (30_000, 128), (0, 64))
"""From so many lessons on, so many at once: few of them want many steps, and many of them are through sooner."""
WARM_SHARE = 0.15
WEIGHT_DECAY = 1e-4
GREATEST_NORM = 5.0


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn: `learning_rate` is the highest."""

    epochs: int
    learning_rate: float
    seed: int


def settle(seed: int) -> None:
    """Make torch repeat itself: one thread, exact algorithms, the beginning that `seed` gives."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)


def learn(module: Any, lessons: Lessons, plan: Plan) -> float:
    """Train what of `module` wants gradients, telling each epoch's mean loss on stdout. Returns the last one.

    Raises InvalidInput if the loss stops being a number.
    """
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=plan.learning_rate, weight_decay=WEIGHT_DECAY)
    steps = plan.epochs * -(-len(lessons) // batch(len(lessons)))
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.learning_rate, total_steps=max(steps, 2), pct_start=WARM_SHARE, cycle_momentum=False
    )
    order = torch.Generator().manual_seed(plan.seed)
    mean = 0.0
    module.train()
    for epoch in range(plan.epochs):
        mean = _one_epoch(module, lessons, optimizer, rate, weights, order)
        if not math.isfinite(mean):
            said = f"the loss is no number after {epoch + 1} epochs: learning has run away"
            raise InvalidInput(said, field="recipe.learning_rate", hint=f"Try {plan.learning_rate / 10:g}.")
        sys.stdout.write(f"epoch {epoch + 1}/{plan.epochs}: loss {mean:.4f}\n")
        sys.stdout.flush()
    module.eval()
    return mean


def batch(lessons: int) -> int:
    """How many lessons to take at once."""
    return next(size for least, size in BATCHES if lessons >= least)


def _one_epoch(module: Any, lessons: Lessons, optimizer: Any, rate: Any, weights: list[Any], order: Any) -> float:
    total = 0.0
    for chosen in torch.randperm(len(lessons), generator=order).split(batch(len(lessons))):
        if len(chosen) < 2:
            continue  # batch normalisation needs two
        optimizer.zero_grad()
        loss = lessons.loss(module(*(part[chosen] for part in lessons.inputs)), chosen)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, GREATEST_NORM)
        optimizer.step()
        rate.step()
        total += loss.item() * len(chosen)
    return total / len(lessons)
