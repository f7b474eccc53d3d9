"""The child that runs golden vectors in one place: `python -m …measuring.rehearsing.rehearser QUESTION`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import onnx

from edgewright.contract.api import Place
from edgewright.contract.errors import InvalidInput
from edgewright.hub.children import serve
from edgewright.hub.optimize.measuring import golden
from edgewright.hub.optimize.measuring.measurer import choose
from edgewright.hub.optimize.measuring.model import Rehearsal, RehearsalQuestion
from edgewright.hub.optimize.measuring.parity import Sameness, compare_elsewhere
from edgewright.hub.optimize.measuring.rehearsing import emulated
from edgewright.hub.registry.runner import Arrays, Preparing, Runner, at_home_in, start

EMULATION_TIMEOUT_S = 240.0
INTEGERS = "QuantizeLinear"


def rehearse(asked: RehearsalQuestion) -> Rehearsal:
    """Run the golden rows in the question's engine, or on its emulated machine, and compare with the golden answers.

    Raises InvalidInput where that engine is not here, or the emulated machine cannot run the model.
    """
    inputs, wanted = golden.decode(Path(asked.golden).read_bytes())
    if asked.emulator:
        return _emulate(asked, inputs, wanted)
    engine = choose((asked.engine,))
    runner = Runner(asked.model, asked.contract, asked.tables, runtime=engine.runtime, provider=engine.provider)
    same = compare_elsewhere(asked.contract, wanted, runner.answer(inputs))
    return Rehearsal(place=Place.HUB, where=str(engine), holds=same.holds(asked.precision), told=_told(same))


def _emulate(asked: RehearsalQuestion, inputs: Arrays, wanted: Arrays) -> Rehearsal:
    """Run an ONNX file here and there, its integer tensors as outputs too: those must be equal to the bit.

    Floats may differ in the last places, as exponentials and sums are computed in other orders there.
    """
    made = Path.cwd() / "exposed.onnx"
    integers = _expose(Path(asked.model), made)
    runtime, provider = at_home_in(made)
    session = start(runtime).load(made, provider)
    prepared = Preparing(asked.contract, asked.tables)(inputs)
    feeds = {name: prepared[name] for name in session.input_names}
    here, there = session.run(feeds), _run_there(asked.emulator, made, feeds)
    unequal = [name for name in integers if not np.array_equal(here[name], there[name])]
    same = compare_elsewhere(asked.contract, wanted, {name: there[name] for name in wanted})
    exact = f"{len(integers) - len(unequal)} of {len(integers)} integer tensors are equal to the bit"
    return Rehearsal(
        place=Place.EMULATOR,
        where="an emulated arm64 machine",
        holds=same.holds(asked.precision) and not unequal,
        told=f"{exact}, {_told(same)}" if integers else _told(same),
    )


def _run_there(python: str, model: Path, feeds: Arrays) -> Arrays:
    given, answers = Path.cwd() / "feeds.npz", Path.cwd() / "answers.npz"
    np.savez(given, allow_pickle=False, **feeds)
    argv = [python, "-I", emulated.__file__, str(model), str(given), str(answers)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=EMULATION_TIMEOUT_S, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1][:300]
        raise InvalidInput(f"the emulated machine cannot run the model: {said}", field="target.emulator")
    with np.load(answers, allow_pickle=False) as arrays:
        return dict(arrays)


def _expose(model: Path, made: Path) -> list[str]:
    """Write the model with what its QuantizeLinear nodes give as outputs too; their names."""
    proto = onnx.load(model)
    names = [node.output[0] for node in proto.graph.node if node.op_type == INTEGERS]
    there = {value.name for value in proto.graph.output}
    integers = [name for name in names if name not in there]
    proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in integers)
    onnx.save(proto, made)
    return integers


def _told(same: Sameness) -> str:
    return (
        f"outputs differ by at most {same.steps:.2g}/255 of their range ({same.relative_error:.1e} of the greatest), "
        f"classes agree in {same.agreement:.1%}"
    )


if __name__ == "__main__":
    serve(rehearse, RehearsalQuestion)
