"""What a device tells the hub: who it is, what it runs, what became of installs, profiles and samples."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from edgewright.contract.wire import Amount, HeaderWord, Moment, Name, Span


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent measured of its machine."""

    arch: str
    cores: int
    ram_bytes: int
    disk_free_bytes: int
    runtimes: dict[str, str]
    providers: dict[str, tuple[str, ...]] = {}  # by runtime: what it can compute with; left out where not known
    agent_version: str
    python: str = ""
    hardware_ids: tuple[str, ...] = ()  # devicetree `compatible` strings, the most particular first
    accelerators: tuple[str, ...] = ()  # such as 'cuda', 'ethos-u', as its runtimes and its machine tell them
    link_kind: str = ""  # 'ethernet', 'wifi', 'cellular'; '' where not known
    time_zone: str = ""  # an IANA name; '' where not known


class EnrolRequest(msgspec.Struct, frozen=True, kw_only=True):
    """First contact. `public_key` is the device's own (see contract/devicekey.py); the request is signed with it."""

    claim: str
    public_key: bytes
    name: str
    capabilities: Capabilities


class EnrolReply(msgspec.Struct, frozen=True, kw_only=True):
    """The device's id, and the TUF root (its exact bytes) that it trusts from now on."""

    device: Name
    root: bytes
    hub_time: Moment
    labels: dict[str, str]


class NonceReply(msgspec.Struct, frozen=True, kw_only=True):
    """A nonce of the hub, good for one signed request within `ttl_s` seconds."""

    nonce: HeaderWord
    ttl_s: Span


class SessionReply(msgspec.Struct, frozen=True, kw_only=True):
    """A short-lived session token, sent as `Authorization: Bearer`."""

    token: HeaderWord
    expires_in_s: Span


class ModelState(msgspec.Struct, frozen=True, kw_only=True):
    """What one model is on this device. `step` is the agent's install step; counters are 0 where there is none."""

    model: str
    version: int
    counter: int
    manifest_sha256: str
    step: str
    candidate_counter: int = 0
    held_manifests: tuple[str, ...] = ()  # digests of the manifests in both slots: their files are bases for deltas


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """What bytes cost this device, as it measured; 0 where nothing has been measured yet."""

    download_bytes_s: Amount = 0.0
    request_s: Span = 0.0  # from asking for a blob to its first byte
    apply_bytes_s: Amount = 0.0  # bytes of result for each second of applying deltas
    is_metered: bool = False  # each byte costs money: fewest bytes come before least time


class Deferral(msgspec.Struct, frozen=True, kw_only=True):
    """An install that this device puts off for now, as its order allows until `begin_by`."""

    deployment: str
    reason: str  # 'battery', 'busy'
    since: Moment


class CheckIn(msgspec.Struct, frozen=True, kw_only=True):
    """One poll: state in, order (or 304) out. `etag` names the last order that this device verified.

    `life` names one run of one agent, at random; `turn` rises with each of its check-ins. A life that goes on after
    another has begun means that one key is in two places.
    """

    nonce: str
    models: tuple[ModelState, ...] = ()
    etag: str = ""
    order_age_s: float = 0.0
    backlog: int = 0  # records that wait in the spool
    pace: Pace = Pace()
    life: str = ""
    turn: int = 0
    machine: Capabilities | None = None  # at the begin of a life, and where it has changed since
    deferrals: tuple[Deferral, ...] = ()


class Outcome(StrEnum):
    """What became of an install."""

    COMMITTED = "committed"
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"
    FAILED = "failed"


class GoldenResult(msgspec.Struct, frozen=True, kw_only=True):
    """The golden self-test on the device's own runtime."""

    passed: bool
    max_error: float
    argmax_agreement: float


class ShadowResult(msgspec.Struct, frozen=True, kw_only=True):
    """How the candidate compared with the active model on copies of real requests."""

    requests: int
    agreement: float
    score_shift: float  # total variation between the two score histograms
    latency_ratio: float  # candidate p50 over active p50


class InstallReport(msgspec.Struct, frozen=True, kw_only=True, tag="install"):
    """How an install ended, with what was measured. Bytes are those that crossed the link."""

    id: str
    at: float
    deployment: str
    model: str
    counter: int
    outcome: Outcome
    step: str
    reason: str = ""
    golden: GoldenResult | None = None
    shadow: ShadowResult | None = None
    latency_p50_ms: float = 0.0
    latency_p95_ms: float = 0.0
    memory_bytes: int = 0
    received_bytes: int = 0
    full_bytes: int = 0
    used_delta: bool = False
    interruptions: int = 0  # how often the agent was started again during this install


class BenchOutcome(StrEnum):
    """What became of a bench."""

    DONE = "done"  # measured, and its answers are right
    REFUSED = "refused"  # this device will not load it
    FAILED = "failed"  # it crashed, hung, or answers wrongly


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """The machine at one moment; None stands for what it does not tell."""

    load: float | None = None  # processes that ran or waited, averaged over a minute
    temperature_c: float | None = None  # of the hottest zone
    is_on_battery: bool | None = None
    battery_percent: int | None = None


class BenchReport(msgspec.Struct, frozen=True, kw_only=True, tag="bench"):
    """What one package took on this device: milliseconds of single rows, peak bytes of the whole process.

    Figures are 0 unless the outcome is DONE. `calls` is over how many requests the latencies are.
    """

    id: str
    at: float
    request: str
    model: str
    counter: int
    manifest_sha256: str
    outcome: BenchOutcome
    reason: str = ""
    golden: GoldenResult | None = None
    latency_p50_ms: float = 0.0
    latency_p95_ms: float = 0.0
    latency_p99_ms: float = 0.0
    memory_bytes: int = 0
    load_s: float = 0.0  # from the files to the first answer
    calls: int = 0
    runtime: str = ""
    runtime_version: str = ""
    provider: str = ""
    before: Conditions | None = None
    after: Conditions | None = None
    received_bytes: int = 0  # that crossed the link for it


class Tap(StrEnum):
    """What a person says of an answer: the slots of a profile's FEEDBACK feature, in this order."""

    RIGHT = "right"
    WRONG = "wrong"


class ProfileWindow(msgspec.Struct, frozen=True, kw_only=True, tag="profile"):
    """One window of one model in one process: see edgewright.contract.profile for `payload`.

    `noised` says how many windows with noise were merged into it, each with `epsilon_milli` thousandths of epsilon; 0:
    its counts are exact. `folded` says how many were merged whose categories of fewer than `min_category_rows` rows
    count as others; 0: none did. `rows` may be 0 where requests were refused, or answers judged, and nothing else.
    """

    id: str
    model: str
    version: int
    counter: int
    schema_sha256: str
    start: float
    end: float
    rows: int
    payload: bytes
    epsilon_milli: int = 0
    noised: int = 0
    min_category_rows: int = 0
    folded: int = 0


class Sample(msgspec.Struct, frozen=True, kw_only=True, tag="sample"):
    """One captured request, chosen on the device. `inputs` and `outputs` are safetensors of one row.

    `subject`, `groups` and the redaction of `inputs` are as the package's data policy says: contract/data_policy.py.
    """

    id: str
    request: str
    model: str
    version: int
    at: float
    reference: str  # the app's own name for this request, by which a label can be joined
    chosen_as: str  # 'uncertain' or 'reservoir'
    uncertainty: float
    inputs: bytes
    outputs: bytes
    subject: str = ""  # the key of whom it tells of; '' where nobody is named
    groups: dict[str, str] = {}
    weight: float = 0.0  # how many rows that were seen this one stands for; 0: it was not drawn by chance


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag="fault"):
    """Something that went wrong on the device and that people should see."""

    id: str
    at: float
    code: str
    message: str


Record = InstallReport | BenchReport | ProfileWindow | Sample | Fault


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Records from the spool, in order. The request is signed with the device's key."""

    records: tuple[Record, ...]


class BatchReply(msgspec.Struct, frozen=True, kw_only=True):
    """The ids that the hub has committed (new or known before): the device may forget them."""

    committed: tuple[str, ...]
