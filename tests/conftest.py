"""What all tests share: figures that rigs found, told at the end of a run."""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import settings

FIGURE = "figure"

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read where numpy is imported: pytest's workers share the cores

settings.register_profile("untimed", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Where the hubs of these tests shall use PostgreSQL, start a server: one for all of pytest's workers."""
    if os.environ.get("EDGEWRIGHT_TEST_DATABASE") == "postgresql" and not hasattr(config, "workerinput"):
        from scenes.databases import start_server

        config.add_cleanup(start_server().stop)


@pytest.fixture(autouse=True)
def _databases(request):
    """What belongs to a test's own folder is given back at its end."""
    is_needed = os.environ.get("EDGEWRIGHT_TEST_DATABASE") == "postgresql" and "tmp_path" in request.fixturenames
    folder = request.getfixturevalue("tmp_path") if is_needed else None
    yield
    if folder is not None:
        from scenes.databases import release

        release(folder)


@pytest.fixture
def tell_figure(record_property):
    """Tell a line of figures at the end of the run, whoever runs the test and however it ends."""
    return lambda line: record_property(FIGURE, line)


def pytest_collection_finish() -> None:
    """What was imported and collected stays: no search for garbage, of which tests make some, need look there again."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    told = sorted({str(told) for report in reports for name, told in report.user_properties if name == FIGURE})
    if told:
        terminalreporter.section("what the rigs found")
    for line in told:
        terminalreporter.write_line(line)
