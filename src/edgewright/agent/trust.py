"""What the device believes: orders that are meant for it, and manifests that a release role vouches for. No I/O."""

from __future__ import annotations

from edgewright.contract import manifest as manifests
from edgewright.contract.bundle import ORDER_TYPE as BUNDLE_ORDER_TYPE
from edgewright.contract.envelope import open_sealed, unverified_payload
from edgewright.contract.errors import HostileInput
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import FORMAT, MAX_ORDER_BYTES, PAYLOAD_TYPE, Bench, Install, Order
from edgewright.contract.trusted import TrustedSet
from edgewright.contract.wire import read_json


def read_order(envelope: bytes, trusted: TrustedSet, *, device: str, nonce: str, now: float, skew_s: float) -> Order:
    """Open an order of the director; raises HostileInput unless it is signed, fresh, and for this device.

    `nonce` is the one that this device sent, which is what makes the order fresh. `now` is in seconds since the
    epoch; `skew_s` is how far this device's clock may be off: infinite where there is no clock to believe.
    """
    order = _open_order(envelope, PAYLOAD_TYPE, trusted, device=device, now=now, skew_s=skew_s)
    _require(order.nonce == nonce, "nonce", "the order answers another question: its nonce is not ours")
    return order


def read_bundle_order(
    envelope: bytes, trusted: TrustedSet, *, device: str, after: float, now: float, skew_s: float
) -> Order:
    """Open an order that was carried here; as `read_order`, with the time of signing in the place of a nonce.

    `after` is when the last order was signed that this device has believed, however it came: no older one counts.
    """
    order = _open_order(envelope, BUNDLE_ORDER_TYPE, trusted, device=device, now=now, skew_s=skew_s)
    _require(order.nonce == "", "nonce", "an order in a bundle answers no nonce")
    _require(order.issued_at >= after, "issued_at", "this device has had a later order than the bundle's")
    is_plain = not (order.rollbacks or order.collects or order.benches)
    _require(is_plain, "order", "a bundle brings installs and nothing else")
    return order


def claimed_moment(envelope: bytes) -> float:
    """When an order says that it was signed, before anything of it is believed; raises HostileInput."""
    return read_json(unverified_payload(envelope), Order, "an order").issued_at


def _open_order(
    envelope: bytes, payload_type: str, trusted: TrustedSet, *, device: str, now: float, skew_s: float
) -> Order:
    payload = open_sealed(envelope, payload_type, trusted.director_keys())
    _require(len(payload) <= MAX_ORDER_BYTES, "order", f"an order has at most {MAX_ORDER_BYTES} bytes")
    order = read_json(payload, Order, "an order")
    _require(order.format == FORMAT, "format", f"order format {order.format} is not known; this agent reads {FORMAT}")
    _require(order.device == device, "device", f"the order is for the device '{order.device}', not for this one")
    _require(order.issued_at <= now + skew_s, "issued_at", "the order is from the future")
    is_within_root = order.issued_at <= trusted.root.expires.timestamp()
    _require(is_within_root, "issued_at", "the order is from after the end of the root that vouches for its signer")
    _require(order.issued_at + order.ttl_s >= now - skew_s, "issued_at", "the order's time to live is over")
    ordered: tuple[Install | Bench, ...] = (*order.installs, *order.benches)
    for wanted in ordered:
        expected = f"{wanted.model}/{wanted.counter}/"
        _require(wanted.target_path.startswith(expected), "target_path", f"the path does not begin '{expected}'")
    return order


def read_manifest(data: bytes, wanted: Install | Bench, trusted: TrustedSet) -> Manifest:
    """Parse the manifest of what is ordered; raises HostileInput unless the model's release role vouches for its bytes.

    The release role must have been loaded (`refresh.load_role`). Hardware, runtime and counter floor are for
    the caller to check: they are facts of the device.
    """
    length, sha256 = trusted.target(wanted.target_path)
    is_vouched = len(data) == length and manifests.digest(data) == sha256 == wanted.manifest_sha256
    _require(is_vouched, "manifest_sha256", "the manifest is not the one that the release role vouches for")
    manifest = manifests.decode(data)
    _require(
        (manifest.model, manifest.version, manifest.counter) == (wanted.model, wanted.version, wanted.counter),
        "manifest",
        "the order and the manifest name different releases",
    )
    path = f"{manifest.model}/{manifest.counter}/{manifest.target}.json"
    _require(path == wanted.target_path, "target_path", f"the manifest belongs at '{path}'")
    return manifest


def _require(holds: bool, field: str, why: str) -> None:
    if not holds:
        raise HostileInput(why, field=field)
