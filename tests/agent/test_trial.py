"""The judgement of a shadow phase, and the lines a worker writes."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.agent.trial.lines import ShadowDone, ShadowReady, TrialResult, decode_line, judge_shadow
from edgewright.contract.errors import HostileInput
from edgewright.contract.order import Shadow
from edgewright.contract.report import GoldenResult, ShadowResult

POLICY = Shadow(min_requests=100, min_agreement=0.9, max_wait_s=5.0)


@pytest.mark.parametrize(
    ("requests", "agreement", "passes"),
    [(100, 0.9, True), (100, 0.899, False), (5000, 0.1, False), (99, 0.1, True), (0, 0.0, True)],
)
def test_a_candidate_must_agree_once_enough_requests_were_compared(
    requests: int, agreement: float, passes: bool
) -> None:
    result = ShadowResult(requests=requests, agreement=agreement, score_shift=0.0, latency_ratio=1.0)

    verdict, reason = judge_shadow(result, POLICY)

    assert verdict is passes
    assert reason


@pytest.mark.parametrize(
    "line",
    [
        TrialResult(ok=True, golden=GoldenResult(passed=True, max_error=0.1, argmax_agreement=1.0), latency_p50_ms=0.1),
        ShadowReady(),
        ShadowDone(ok=True, shadow=ShadowResult(requests=1, agreement=1.0, score_shift=0.0, latency_ratio=1.0)),
    ],
)
def test_lines_survive_the_pipe(line: TrialResult | ShadowReady | ShadowDone) -> None:
    assert decode_line(msgspec.json.encode(line)) == line


@pytest.mark.parametrize(
    "data", [b"", b"warning: something", b'{"phase":"other"}', b'{"phase":"trial"}', b"x" * 70_000]
)
def test_what_is_no_line_is_hostile(data: bytes) -> None:
    with pytest.raises(HostileInput):
        decode_line(data)


def test_a_line_that_is_not_utf8_is_hostile() -> None:
    with pytest.raises(HostileInput):
        decode_line(b'{"phase": "\xff\xfe"}')
