"""The runner of the documentation's commands: it finds them, runs them, and believes no page."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

RUNNER = Path(__file__).parents[2] / "docs" / "run_commands.py"


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_commands", RUNNER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["run_commands"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def page(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "page.md"
        path.write_text(text)
        return path

    return write


def test_commands_share_a_folder_and_variables(runner, page):
    path = page(
        "```console\n$ mkdir a && cd a\n$ export B=c\n```\ntext\n```console\n$ echo $B > d; cat ../a/d\nc\n```\n"
    )

    assert runner.run_file(path, is_verbose=False) == 3


def test_a_command_that_fails_is_told_with_its_place_and_output(runner, page):
    path = page("# Page\n\n```console\n$ echo to read; false\n```\n")

    with pytest.raises(runner.DocumentationFails, match=r"page.md:4: echo to read; false\nexit code 1 .*\nto read"):
        runner.run_file(path, is_verbose=False)


def test_a_failure_that_is_announced_is_none_and_its_absence_is_one(runner, page):
    assert runner.run_file(page("```console\n$ (exit 4)  # exit 4\n```\n"), is_verbose=False) == 1
    with pytest.raises(runner.DocumentationFails, match="exit code 0 instead of 4"):
        runner.run_file(page("```console\n$ true  # exit 4\n```\n"), is_verbose=False)


def test_what_a_page_shows_must_be_printed_in_that_order(runner, page):
    fine = "```console\n$ printf 'one 1\\nx\\ntwo  2\\n'\none …\n…\ntwo 2\n```\n"
    turned = "```console\n$ printf 'one\\ntwo\\n'\ntwo\none\n```\n"

    assert runner.run_file(page(fine), is_verbose=False) == 1
    with pytest.raises(runner.DocumentationFails, match="the file shows"):
        runner.run_file(page(turned), is_verbose=False)


def test_here_documents_and_long_lines_are_one_command(runner, page):
    text = "```console\n$ cat > f <<'END'\n$ not a command\nEND\n$ cat \\\n    f\n$ not a command\n```\n"

    commands = runner.commands_of(page(text))

    texts = [command.text for command in commands]
    assert texts == ["cat > f <<'END'\n$ not a command\nEND", "cat \\\n    f", "not a command"]


def test_a_block_with_a_reason_is_not_run(runner, page):
    path = page("<!-- not run: it would take a year -->\n```console\n$ false\n```\n\n```python\nfalse()\n```\n")

    assert runner.run_file(path, is_verbose=False) == 0


def test_commands_may_not_hide_in_blocks_of_another_kind(runner, page):
    with pytest.raises(runner.DocumentationFails, match=r"page.md:1: make this a `console` block"):
        runner.commands_of(page("```sh\nls\n```\n"))


def test_another_terminal_goes_on_until_it_is_interrupted(runner, page):
    server = "\n".join(
        [
            "import time",
            "try:",
            "    print('up', flush=True)",
            "    time.sleep(60)",
            "except KeyboardInterrupt: print('down')",
        ]
    )
    path = page(
        "<!-- terminal: hub -->\n```console\n"
        f"$ cat > server.py <<'END'\n{server}\nEND\n$ python server.py\nup\n```\n"
        "```console\n$ test -f server.py\n```\n"
        "<!-- terminal: hub -->\n```console\n^C\ndown\n```\n"
    )

    assert runner.run_file(path, is_verbose=False) == 4
