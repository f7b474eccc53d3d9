"""What every inference runtime must do: a plug-in passes when its subclass of `RuntimeChecks` passes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgewright import plugins
from edgewright.agent.runtimes import GROUP, InferenceFailed, ModelUnreadable, Runtime


@dataclass(frozen=True)
class Case:
    """A model that the runtime can load, with known answers, and inputs that it must refuse to run."""

    name: str
    provider: str
    model: Path
    feeds: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    misfits: Mapping[str, np.ndarray]


class RuntimeChecks:
    """One shared suite; the subclass gives a fixture `case`."""

    @pytest.fixture
    def runtime(self, case: Case) -> Runtime:
        runtime: Runtime = plugins.load(GROUP, case.name)()
        return runtime

    def test_it_is_installed_as_a_plug_in(self, case: Case) -> None:
        assert case.name in plugins.names(GROUP)

    def test_it_says_its_version_in_numbers(self, runtime: Runtime) -> None:
        assert runtime.version.split(".")[0].isdecimal()

    def test_it_names_inputs_and_outputs(self, runtime: Runtime, case: Case) -> None:
        session = runtime.load(case.model, case.provider)

        assert set(session.input_names) == set(case.feeds)
        assert set(session.output_names) == set(case.outputs)

    def test_it_gives_the_known_answers_by_name(self, runtime: Runtime, case: Case) -> None:
        outputs = runtime.load(case.model, case.provider).run(case.feeds)

        assert set(outputs) == set(case.outputs)
        for name, wanted in case.outputs.items():
            np.testing.assert_allclose(outputs[name], wanted, rtol=1e-3, atol=1e-5)
            assert outputs[name].dtype == wanted.dtype

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

    def test_it_goes_on_after_a_failure(self, runtime: Runtime, case: Case) -> None:
        session = runtime.load(case.model, case.provider)
        with pytest.raises(InferenceFailed):
            session.run(case.misfits)

        assert set(session.run(case.feeds)) == set(case.outputs)

    @pytest.mark.parametrize("share", [0.0, 0.5])
    def test_a_file_that_is_cut_short_is_unreadable(
        self, runtime: Runtime, case: Case, tmp_path: Path, share: float
    ) -> None:
        data = case.model.read_bytes()
        cut = tmp_path / case.model.name
        cut.write_bytes(data[: int(len(data) * share)])

        with pytest.raises(ModelUnreadable):
            runtime.load(cut, case.provider)

    def test_a_missing_file_is_unreadable(self, runtime: Runtime, case: Case, tmp_path: Path) -> None:
        with pytest.raises(ModelUnreadable):
            runtime.load(tmp_path / "missing" / case.model.name, case.provider)

    def test_a_provider_that_is_not_there_is_an_error_and_no_fallback(self, runtime: Runtime, case: Case) -> None:
        with pytest.raises(ModelUnreadable):
            runtime.load(case.model, "NoSuchProvider")
