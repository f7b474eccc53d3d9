"""Who gets memory: workers of all models share one budget; the higher priority goes first, then the latest use. Pure.

What is promised, whatever the models ask for: what is admitted never exceeds the budget, and no model is refused for
the sake of a lower priority. What is not: that models of equal priority which do not fit together are all served in
time. An idle one gives way to another's request, so they take turns, but a busy one keeps its memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MIB = 1024 * 1024
SHARE = 0.75  # of the machine's memory, where the settings say nothing
LEARNED_FACTOR = 1.25


@dataclass(frozen=True)
class Claim:
    """A worker that is to be started."""

    model: str
    need_bytes: int
    priority: int


@dataclass(frozen=True)
class Holding:
    """A worker that runs. `is_busy`: a request is in flight; `is_leaving`: it drains; `is_settled`: it has loaded."""

    model: str
    held_bytes: int
    priority: int
    last_used_s: float = 0.0
    is_busy: bool = False
    is_leaving: bool = False
    is_settled: bool = True


class Answer(StrEnum):
    """What becomes of a claim."""

    ADMITTED = "admitted"
    WAIT = "wait"  # memory will be free: ask again when a worker has ended or has loaded
    REFUSED = "refused"


@dataclass(frozen=True)
class Decision:
    """`give_way` names the models whose workers are to drain; `reason` says why a claim was refused."""

    answer: Answer
    give_way: tuple[str, ...] = ()
    reason: str = ""


def admit(claim: Claim, holdings: Sequence[Holding], budget_bytes: int) -> Decision:
    """Say whether the claim fits now, after others have given way, or not at all."""
    free_bytes = budget_bytes - sum(held.held_bytes for held in holdings)
    if claim.need_bytes <= free_bytes:
        return Decision(Answer.ADMITTED)
    if claim.need_bytes > budget_bytes:
        wanted, given = claim.need_bytes // MIB, budget_bytes // MIB
        return Decision(Answer.REFUSED, reason=f"it needs {wanted} MiB, and all models together may take {given} MiB")
    missing_bytes = claim.need_bytes - free_bytes - sum(held.held_bytes for held in holdings if held.is_leaving)
    chosen = _choose(_candidates(claim, holdings), missing_bytes)
    if chosen is not None:
        return Decision(Answer.WAIT, give_way=tuple(held.model for held in chosen))
    if any(not held.is_settled and not held.is_leaving for held in holdings):
        return Decision(Answer.WAIT)  # how much that one really takes will be known soon
    taken = ", ".join(sorted({held.model for held in holdings if held.model != claim.model})) or "its predecessor"
    wanted, free = claim.need_bytes // MIB, max(0, free_bytes) // MIB
    return Decision(Answer.REFUSED, reason=f"it needs {wanted} MiB, {free} MiB are free beside {taken}")


def need_bytes(declared_bytes: int, seen_bytes: int, automatic_bytes: int) -> int:
    """What a worker is counted with: what it was seen to take and a quarter more, or else what its package declares.

    A package declares a bound and no estimate. Where the budget is the machine's own share (`automatic_bytes` above
    0) a model is therefore never turned away for its declaration alone.
    """
    need = min(declared_bytes, round(LEARNED_FACTOR * seen_bytes)) if seen_bytes else declared_bytes
    return min(need, automatic_bytes) if automatic_bytes else need


def _candidates(claim: Claim, holdings: Sequence[Holding]) -> list[Holding]:
    """Who may be asked to give way: all of lower priority, and of equal priority those that are idle.

    The idle before the busy, then the lowest priority, then the least recently used.
    """
    found = [
        held
        for held in holdings
        if held.model != claim.model
        and not held.is_leaving
        and (held.priority < claim.priority or (held.priority == claim.priority and not held.is_busy))
    ]
    return sorted(found, key=lambda held: (held.is_busy, held.priority, held.last_used_s))


def _choose(candidates: Sequence[Holding], missing_bytes: int) -> list[Holding] | None:
    """The first of them that free enough together, less those that are not needed for it; None if all do not."""
    chosen: list[Holding] = []
    freed_bytes = 0
    for held in candidates:
        if freed_bytes >= missing_bytes:
            break
        chosen.append(held)
        freed_bytes += held.held_bytes
    if freed_bytes < missing_bytes:
        return None
    for held in reversed(chosen[:-1]):
        if freed_bytes - held.held_bytes >= missing_bytes:
            chosen.remove(held)
            freed_bytes -= held.held_bytes
    return chosen
