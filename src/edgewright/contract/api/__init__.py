"""What people's requests and the hub's replies are made of: the public API under /api/v1, in JSON.

Times are seconds since the epoch (UTC). Digests are lower-case hexadecimal SHA-256. `*Draft` is what a caller
sends; `*Record` is what the hub keeps and returns. Every list door returns a JSON array of records.
"""

from edgewright.contract.api.carry import CarryBlob, CarryDraft, CarryRecord
from edgewright.contract.api.data import FileRef, LabelDraft, SampleRecord, SnapshotDraft, SnapshotRecord
from edgewright.contract.api.delivery import DeltaRecord, DeltaState
from edgewright.contract.api.fleet import ClaimDraft, ClaimReply, DeviceModel, DeviceRecord, GroupDraft, GroupRecord
from edgewright.contract.api.keys import (
    KeyChangeDraft,
    KeyChangeRecord,
    KeyChangeState,
    KeyEdit,
    KeySigningRequest,
    PublicKey,
    RoleRecord,
    RoleSigning,
)
from edgewright.contract.api.observation import AlertRecord, DriftPoint, DriftStatus, FeatureDrift, UsageRecord
from edgewright.contract.api.overview import AuditEntry, AuditReport, Overview
from edgewright.contract.api.people import LoginDraft, LoginReply, Role, UserDraft, UserRecord
from edgewright.contract.api.provenance import (
    ContentSignatureDraft,
    ContentSignatureRecord,
    ProvenanceReport,
    StatementRecord,
)
from edgewright.contract.api.registry import (
    Lineage,
    ModelRecord,
    TargetRecord,
    VariantRecord,
    VersionDraft,
    VersionRecord,
)
from edgewright.contract.api.releases import (
    CheckLine,
    PackageRecord,
    ReleaseDraft,
    ReleaseRecord,
    ReleaseState,
    SignatureDraft,
    SigningPayload,
    SigningRequest,
    VerifyReport,
)
from edgewright.contract.api.rollouts import (
    DeploymentRecord,
    GateDraft,
    RolloutDraft,
    RolloutRecord,
    RolloutState,
    WaveRecord,
)
from edgewright.contract.api.runs import (
    EvaluationRecord,
    OptimizeDraft,
    PipelineDraft,
    RunRecord,
    RunState,
    TrainDraft,
    TriggerDraft,
    TriggerRecord,
)

__all__ = [
    "ContentSignatureDraft",
    "ContentSignatureRecord",
    "CarryBlob",
    "CarryDraft",
    "CarryRecord",
    "AlertRecord",
    "AuditEntry",
    "AuditReport",
    "CheckLine",
    "ClaimDraft",
    "ClaimReply",
    "DeltaRecord",
    "DeltaState",
    "DeploymentRecord",
    "DeviceModel",
    "DeviceRecord",
    "DriftPoint",
    "DriftStatus",
    "EvaluationRecord",
    "FeatureDrift",
    "FileRef",
    "GateDraft",
    "GroupDraft",
    "GroupRecord",
    "KeyChangeDraft",
    "KeyChangeRecord",
    "KeyChangeState",
    "KeyEdit",
    "KeySigningRequest",
    "LabelDraft",
    "Lineage",
    "LoginDraft",
    "LoginReply",
    "ModelRecord",
    "OptimizeDraft",
    "Overview",
    "PackageRecord",
    "PipelineDraft",
    "ProvenanceReport",
    "PublicKey",
    "ReleaseDraft",
    "ReleaseRecord",
    "ReleaseState",
    "Role",
    "RoleRecord",
    "RoleSigning",
    "RolloutDraft",
    "RolloutRecord",
    "RolloutState",
    "RunRecord",
    "RunState",
    "SampleRecord",
    "SignatureDraft",
    "SigningPayload",
    "SigningRequest",
    "SnapshotDraft",
    "SnapshotRecord",
    "StatementRecord",
    "TargetRecord",
    "TrainDraft",
    "TriggerDraft",
    "TriggerRecord",
    "UsageRecord",
    "UserDraft",
    "UserRecord",
    "VariantRecord",
    "VerifyReport",
    "VersionDraft",
    "VersionRecord",
    "WaveRecord",
]
