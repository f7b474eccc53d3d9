"""What of a chosen row leaves the device: as the data policy in its release says, and the device's own redactor.

Nothing leaves that is not allowed or could not be redacted: a step that fails keeps the sample here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from edgewright.agent.serve.package import Package
from edgewright.contract import arrays
from edgewright.contract.data_policy import DataPolicy, hashed_reference
from edgewright.contract.errors import Refused
from edgewright.contract.redaction import groups_of, redact, subject_of

REDACTOR_S = 30.0
MAX_REDACTED_BYTES = 64 * 1024**2


class NotLeaving(Refused):
    """A sample stays on the device."""

    code = "samples_not_allowed"


class Leaves(NamedTuple):
    """What may leave of one row."""

    reference: str
    inputs: bytes  # contract.arrays
    outputs: bytes
    subject: str
    groups: dict[str, str]


def policy_of(package: Package) -> DataPolicy:
    """What the package's release says; where it says nothing, nothing may leave."""
    policy = package.manifest.data
    return DataPolicy() if policy is msgspec.UNSET else policy


def check_allowed(package: Package, redactor: Sequence[str]) -> None:
    """Raise NotLeaving unless samples of this package may leave this device."""
    policy = policy_of(package)
    told = f"{package.manifest.model} release {package.manifest.counter}"
    if not policy.may_leave:
        raise NotLeaving(f"the data policy in {told} lets no samples leave", field="data.may_leave")
    if policy.is_redactor_needed and not redactor:
        message = f"the data policy in {told} asks for a redactor, and this device has none"
        raise NotLeaving(message, field="redactor", hint="Name its command in agent.json.")


def leaves(
    package: Package,
    inputs: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
    reference: str,
    redactor: Sequence[str],
) -> Leaves:
    """One row as it may leave. Raises EdgewrightError where a step fails: then nothing of it does."""
    policy, contract = policy_of(package), package.manifest.contract
    kept = redact(policy, contract, inputs)
    if not kept:
        raise NotLeaving("the data policy lets none of the inputs leave", field="data.inputs")
    encoded = arrays.encode(kept)
    return Leaves(
        reference=hashed_reference(reference) if policy.is_reference_hashed and reference else reference,
        inputs=run_redactor(redactor, encoded) if redactor else encoded,
        outputs=arrays.encode(outputs),
        subject=subject_of(policy, inputs, reference),
        groups=groups_of(policy, contract, inputs),
    )


def run_redactor(command: Sequence[str], inputs: bytes) -> bytes:
    """What the device's own command makes of a row: safetensors in, safetensors out. Raises EdgewrightError."""
    try:
        done = subprocess.run(command, input=inputs, capture_output=True, timeout=REDACTOR_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotLeaving(f"the redactor {command[0]} cannot be run: {error}", field="redactor") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-200:]
        raise NotLeaving(f"the redactor {command[0]} ended with {done.returncode}: {said}", field="redactor")
    if len(done.stdout) > MAX_REDACTED_BYTES:
        raise NotLeaving(f"the redactor {command[0]} gave {len(done.stdout)} bytes", field="redactor")
    before, after = arrays.decode(inputs), arrays.decode(done.stdout, "a redactor's answer")
    if not after or not set(after) <= set(before):
        raise NotLeaving(f"the redactor {command[0]} gave the arrays {sorted(after)[:8]}", field="redactor")
    return arrays.encode(after)
