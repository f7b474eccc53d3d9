"""What waits for people, and the policies that say what does."""

from __future__ import annotations

from edgewright.client.transport import Transport
from edgewright.contract.api import ApprovalRecord, StepPolicy, StepPolicyRecord, VoteDraft


class Approvals:
    """One list across kinds: steps of pipelines, policies and releases."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def list(self, state: str = "", model: str = "") -> tuple[ApprovalRecord, ...]:
        """What waits, or has been answered, newest first; "" stands for any."""
        return self._hub.get("approvals", into=tuple[ApprovalRecord, ...], state=state, model=model)

    def get(self, approval: str) -> ApprovalRecord:
        """One of them, such as 'promote:digits@3'."""
        return self._hub.get("approvals", into=tuple[ApprovalRecord, ...], approval=approval)[0]

    def approve(self, approval: str, *, digest: str = "", why: str = "", dry_run: bool = False) -> ApprovalRecord:
        """Stand for it. With `digest` only as it was looked at."""
        return self._vote(VoteDraft(approval=approval, is_yes=True, digest=digest, why=why), dry_run=dry_run)

    def reject(self, approval: str, *, digest: str = "", why: str = "", dry_run: bool = False) -> ApprovalRecord:
        """Refuse it, for everybody."""
        return self._vote(VoteDraft(approval=approval, is_yes=False, digest=digest, why=why), dry_run=dry_run)

    def _vote(self, draft: VoteDraft, *, dry_run: bool) -> ApprovalRecord:
        return self._hub.post("approvals", body=draft, into=ApprovalRecord, dry_run=dry_run)


class Policies:
    """Which steps of a model's pipeline go on without a person."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def get(self, model: str) -> StepPolicyRecord:
        """The policy in force, and the one that waits for approval."""
        return self._hub.get("models", model, "policy", into=StepPolicyRecord)

    def put(self, model: str, policy: StepPolicy, *, dry_run: bool = False) -> StepPolicyRecord:
        """Set it; one that lets more go on waits until people approve it."""
        return self._hub.post("models", model, "policy", body=policy, into=StepPolicyRecord, dry_run=dry_run)
