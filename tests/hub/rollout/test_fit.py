"""Which package fits which device, by what the device said of its runtimes."""

from __future__ import annotations

import pytest

from edgewright.contract.api import DeviceRecord
from edgewright.contract.manifest import Budgets, Manifest, Runtime, Tolerance
from edgewright.contract.tensors import Contract
from edgewright.hub.rollout.planning import misfit

CUDA = "CUDAExecutionProvider"


@pytest.mark.parametrize(
    ("providers", "why"),
    [
        ({"onnxruntime": (CUDA, "CPUExecutionProvider")}, ""),
        ({"onnxruntime": ("CPUExecutionProvider",)}, f"needs onnxruntime with {CUDA}, the device has CPUExecution"),
        ({"onnxruntime": ()}, "the device has nothing"),
        ({}, ""),  # an agent that does not tell: the trial on the device will
    ],
)
def test_a_package_goes_to_devices_whose_runtime_computes_with_what_it_needs(providers, why) -> None:
    device = DeviceRecord(
        id="d", name="d", labels={}, arch="x86_64", cores=1, ram_bytes=0, runtimes={"onnxruntime": "1.23"},
        providers=providers, agent_version="1", enrolled_at=0.0, last_seen_at=None, is_revoked=False,
    )  # fmt: skip
    manifest = Manifest(
        model="m", version=1, counter=1, target="t", hardware=("x86_64",), files=(), recipe=(), lineage_sha256="0" * 64,
        runtime=Runtime(name="onnxruntime", minimum="1", below="2", provider=CUDA),
        contract=Contract(inputs=(), outputs=()),
        budgets=Budgets(latency_p95_ms=1.0, memory_bytes=1),
        tolerance=Tolerance(rtol=0.0, atol=0.0, min_argmax_agreement=1.0),
    )  # fmt: skip

    found = misfit(device, manifest)

    assert bool(found) == bool(why)
    assert why in found
