"""How an install ended, as the hub is told."""

from __future__ import annotations

from edgewright.agent.states.record import ModelRecord, candidate_of
from edgewright.contract.report import InstallReport, Outcome


def report_id(deployment: str, counter: int, outcome: Outcome) -> str:
    """Names a report, so that telling it twice is telling it once."""
    return f"{deployment}:{counter}:{outcome}"


def to_report(record: ModelRecord, now: float) -> InstallReport:
    """How the present candidate's install ended."""
    candidate = candidate_of(record)
    install, outcome = candidate.install, candidate.outcome or Outcome.FAILED
    return InstallReport(
        id=report_id(install.deployment, install.counter, outcome),
        at=now,
        deployment=install.deployment,
        model=record.model,
        counter=install.counter,
        outcome=outcome,
        step=candidate.ended_in,
        reason=candidate.reason,
        golden=candidate.golden,
        shadow=candidate.shadow,
        latency_p50_ms=candidate.latency_p50_ms,
        latency_p95_ms=candidate.latency_p95_ms,
        memory_bytes=candidate.memory_bytes,
        received_bytes=candidate.received_bytes,
        full_bytes=candidate.full_bytes,
        used_delta=candidate.used_delta,
        interruptions=candidate.interruptions,
    )
