"""What a trial or a bench found, as the worker tells it, and the judgement of a shadow phase."""

from __future__ import annotations

import msgspec

from edgewright.agent.system.lines import MAX_LINE_BYTES
from edgewright.contract.errors import HostileInput
from edgewright.contract.order import Shadow
from edgewright.contract.report import GoldenResult, ShadowResult


class TrialResult(msgspec.Struct, frozen=True, kw_only=True, tag_field="phase", tag="trial"):
    """The first line: the golden self-test and what was measured. Not `ok` ends the trial."""

    ok: bool
    reason: str = ""
    golden: GoldenResult | None = None
    latency_p50_ms: float = 0.0
    latency_p95_ms: float = 0.0
    memory_bytes: int = 0


class ShadowReady(msgspec.Struct, frozen=True, kw_only=True, tag_field="phase", tag="shadow_ready"):
    """The shadow socket is bound: apps may be told of it."""


class ShadowDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="phase", tag="shadow"):
    """The last line: `ok` says that the phase ran to its end; `judge_shadow` says what that means."""

    ok: bool
    reason: str = ""
    shadow: ShadowResult | None = None
    waited_s: float = 0.0


class BenchResult(msgspec.Struct, frozen=True, kw_only=True, tag_field="phase", tag="bench"):
    """The only line of a bench: what was measured; not `ok` says that the figures are worth nothing."""

    ok: bool
    reason: str = ""
    golden: GoldenResult | None = None
    latency_p50_ms: float = 0.0
    latency_p95_ms: float = 0.0
    latency_p99_ms: float = 0.0
    memory_bytes: int = 0
    load_s: float = 0.0
    calls: int = 0
    runtime: str = ""
    runtime_version: str = ""
    provider: str = ""


Line = TrialResult | ShadowReady | ShadowDone | BenchResult


def decode_line(data: bytes) -> Line:
    """Read one line of the worker's standard output. Raises HostileInput: the worker ran a foreign model."""
    if len(data) > MAX_LINE_BYTES:
        raise HostileInput(f"a line of the worker has at most {MAX_LINE_BYTES} bytes, this one has {len(data)}")
    try:
        line: Line = msgspec.json.decode(data, type=Line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HostileInput(f"not a line of the worker: {error}") from error
    return line


def judge_shadow(result: ShadowResult, policy: Shadow) -> tuple[bool, str]:
    """Say whether the candidate passes its shadow phase, and why. Too few requests pass on the golden test alone."""
    if result.requests < policy.min_requests:
        return True, f"only {result.requests} of {policy.min_requests} requests were compared: golden test alone"
    if not result.agreement >= policy.min_agreement:  # in this form, a NaN fails
        return False, (
            f"shadow: agrees with the active model on {result.agreement:.1%} of {result.requests} requests, "
            f"at least {policy.min_agreement:.1%} are needed"
        )
    return True, f"agrees with the active model on {result.agreement:.1%} of {result.requests} requests"
