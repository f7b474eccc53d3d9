"""What every inference runtime must do: a plug-in passes when its subclass of `RuntimeChecks` passes."""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from edgewright import plugins
from edgewright.agent.runtimes import GROUP, InferenceFailed, ModelUnreadable, Runtime, start_runtime
from plugins.small_models import Small

MAX_LOAD_S = 60
MAX_DATA_BYTES = 2 * 1024**3
LOAD_ALL = """
import sys
from pathlib import Path
from edgewright.agent.runtimes import ModelUnreadable, start_runtime
runtime = start_runtime(sys.argv[1])
for path in sys.argv[3:]:
    try:
        runtime.load(Path(path), sys.argv[2])
        print("loaded")
    except ModelUnreadable:
        print("unreadable")
"""


@dataclass(frozen=True)
class Case:
    """A model that the runtime can load, with known answers, and inputs that it must refuse to run."""

    name: str
    provider: str
    model: Path
    feeds: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    misfits: Mapping[str, np.ndarray]
    atol: float = 1e-5


class RuntimeChecks:
    """One shared suite; the subclass gives the plug-in's name, a provider and small models, by a file's name each."""

    name: ClassVar[str]
    provider: ClassVar[str]
    models: ClassVar[Mapping[str, Callable[[], Small]]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "model" in metafunc.fixturenames:
            metafunc.parametrize("model", sorted(self.models))

    @pytest.fixture
    def case(self, model: str, tmp_path: Path) -> Case:
        small, path = self.models[model](), tmp_path / model
        path.write_bytes(small.data)
        return Case(self.name, self.provider, path, small.feeds, small.outputs, small.misfits, small.atol)

    @pytest.fixture
    def runtime(self) -> Runtime:
        return start_runtime(self.name)

    def test_it_is_installed_as_a_plug_in(self) -> None:
        assert self.name in plugins.names(GROUP)

    def test_its_module_alone_imports_no_runtime_and_no_numpy(self) -> None:
        code = (
            f"import sys; from edgewright import plugins; plugins.load('{GROUP}', '{self.name}')\n"
            "sys.exit(bool({'numpy', 'onnxruntime', 'openvino', 'ai_edge_litert'} & set(sys.modules)))"
        )

        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_it_tells_what_it_computes_with(self, runtime: Runtime) -> None:
        assert self.provider in runtime.providers

    def test_it_says_its_version_in_numbers(self, runtime: Runtime) -> None:
        assert runtime.version.split(".")[0].isdecimal()

    def test_it_names_inputs_and_outputs(self, runtime: Runtime, case: Case) -> None:
        session = runtime.load(case.model, case.provider)

        assert set(session.input_names) == set(case.feeds)
        assert set(session.output_names) == set(case.outputs)

    def test_it_says_how_many_rows_a_request_must_have(self, runtime: Runtime, case: Case) -> None:
        assert runtime.load(case.model, case.provider).fixed_rows == 0  # all small models take any number

    def test_it_gives_the_known_answers_by_name(self, runtime: Runtime, case: Case) -> None:
        outputs = runtime.load(case.model, case.provider).run(case.feeds)

        assert set(outputs) == set(case.outputs)
        for name, wanted in case.outputs.items():
            np.testing.assert_allclose(outputs[name], wanted, rtol=1e-3, atol=case.atol)
            assert outputs[name].dtype == wanted.dtype
            assert outputs[name].shape == wanted.shape

    def test_any_number_of_rows_is_answered_row_by_row_alike(self, runtime: Runtime, case: Case) -> None:
        session = runtime.load(case.model, case.provider)

        for rows in (1, 2, 1):
            outputs = session.run({name: array[:rows] for name, array in case.feeds.items()})
            for name, wanted in case.outputs.items():
                np.testing.assert_allclose(outputs[name], wanted[:rows], rtol=1e-3, atol=case.atol)

    def test_answers_are_the_callers_own(self, runtime: Runtime, case: Case) -> None:
        session = runtime.load(case.model, case.provider)
        first = session.run(case.feeds)
        before = {name: array.copy() for name, array in first.items()}

        session.run({name: array[::-1].copy() for name, array in case.feeds.items()})

        assert all((first[name] == before[name]).all() for name in before)

    def test_arrays_that_do_not_lie_in_one_piece_are_taken(self, runtime: Runtime, case: Case) -> None:
        strided = {name: np.repeat(array, 2, axis=0)[::2] for name, array in case.feeds.items()}

        outputs = runtime.load(case.model, case.provider).run(strided)

        for name, wanted in case.outputs.items():
            np.testing.assert_allclose(outputs[name], wanted, rtol=1e-3, atol=case.atol)

    def test_it_changes_no_input(self, runtime: Runtime, case: Case) -> None:
        before = {name: array.copy() for name, array in case.feeds.items()}

        runtime.load(case.model, case.provider).run(case.feeds)

        for name, array in before.items():
            np.testing.assert_array_equal(case.feeds[name], array)

    def test_equal_requests_get_equal_answers_from_several_threads(self, runtime: Runtime, case: Case) -> None:
        session = runtime.load(case.model, case.provider)
        wanted = session.run(case.feeds)
        answers: list[dict[str, np.ndarray]] = []

        def ask() -> None:
            answers.extend(session.run(case.feeds) for _ in range(20))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(answers) == 60
        assert all((answer[name] == wanted[name]).all() for answer in answers for name in wanted)

    def test_inputs_that_do_not_fit_fail_as_an_inference(self, runtime: Runtime, case: Case) -> None:
        session = runtime.load(case.model, case.provider)

        with pytest.raises(InferenceFailed):
            session.run(case.misfits)

    def test_an_input_too_few_or_too_many_fails(self, runtime: Runtime, case: Case) -> None:
        session = runtime.load(case.model, case.provider)
        session.run(case.feeds)

        for feeds in ({}, {**case.feeds, "another": np.zeros((5, 1), np.float32)}):
            with pytest.raises(InferenceFailed):
                session.run(feeds)

    def test_it_goes_on_after_a_failure(self, runtime: Runtime, case: Case) -> None:
        session = runtime.load(case.model, case.provider)
        with pytest.raises(InferenceFailed):
            session.run(case.misfits)

        assert set(session.run(case.feeds)) == set(case.outputs)

    def test_a_damaged_file_is_unreadable_or_loads_and_never_crashes(self, case: Case, tmp_path: Path) -> None:
        data = case.model.read_bytes()
        cut = [_written(tmp_path, f"cut{n}", case, data[: len(data) * n // 8]) for n in range(8)]
        flipped = [_written(tmp_path, f"flipped{at}", case, _flipped(data, at)) for at in range(0, len(data), 29)]

        said = _load_all(case, [*cut, *flipped])

        assert said[: len(cut)] == ["unreadable"] * len(cut)
        assert set(said) <= {"unreadable", "loaded"}

    def test_a_missing_file_is_unreadable(self, runtime: Runtime, case: Case, tmp_path: Path) -> None:
        with pytest.raises(ModelUnreadable):
            runtime.load(tmp_path / "missing" / case.model.name, case.provider)

    def test_a_provider_that_is_not_there_is_an_error_and_no_fallback(self, runtime: Runtime, case: Case) -> None:
        with pytest.raises(ModelUnreadable):
            runtime.load(case.model, "NoSuchProvider")

    def test_a_session_that_nobody_holds_is_gone(self, runtime: Runtime, case: Case) -> None:
        session = runtime.load(case.model, case.provider)
        session.run(case.feeds)
        seen = weakref.ref(session)

        del session
        gc.collect()

        assert seen() is None
        assert str(case.model) not in Path("/proc/self/maps").read_text()


def _written(folder: Path, stem: str, case: Case, data: bytes) -> Path:
    path = folder / f"{stem}{case.model.suffix}"
    path.write_bytes(data)
    return path


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def _load_all(case: Case, paths: list[Path]) -> list[str]:
    """What became of each file, in one child with little memory and little time."""
    bounds = (resource.RLIMIT_DATA, (MAX_DATA_BYTES, MAX_DATA_BYTES))
    child = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, case.name, case.provider, *map(str, paths)],
        capture_output=True,
        timeout=MAX_LOAD_S,
        check=False,
        preexec_fn=lambda: resource.setrlimit(*bounds),
    )
    assert child.returncode == 0, (child.returncode, child.stderr.decode(errors="replace")[-2000:])
    return [line for line in child.stdout.decode().splitlines() if line in ("unreadable", "loaded")]
