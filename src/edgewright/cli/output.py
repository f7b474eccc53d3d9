"""What a verb prints: data on stdout (tables, facts or JSON), talk on stderr, errors in the style of rustc."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from edgewright.contract.errors import EdgewrightError

T = TypeVar("T")
Column = tuple[str, Callable[[T], str]]
"""A column's title, and what stands in it for a record. A title that ends in '>' is set to the right."""

WORD_CHARS, NAME_CHARS = 9, 24
"""How far words and names are narrowed while there is something else to narrow."""
GAP_CHARS = 2
"""What rich leaves between two columns of this kind of table."""

_STEERING = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything and change nothing.")]


def show_table(records: Sequence[T], columns: Sequence[Column[T]], *, as_json: bool, empty: str) -> None:
    """Print records as a table or as a JSON array; off a terminal a table without colours. `empty` goes to stderr."""
    if as_json:
        show_json(records)
    elif records:
        console().print(build_table(records, columns))
    else:
        say(empty)


def show_facts(record: T, facts: Sequence[Column[T]], *, as_json: bool) -> None:
    """Print one record as lines of name and value, or as a JSON object. Empty values are left out."""
    if as_json:
        show_json(record)
        return
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for title, value in facts:
        if text := value(record):
            grid.add_row(title, Text(plain(text)))
    console().print(grid)


def show_json(value: object) -> None:
    """Print a record, or a sequence of them, as JSON on stdout."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()


def show_json_line(value: object) -> None:
    """Print a record as one line of JSON, for what is watched."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Tell people something, on stderr."""
    console(is_talk=True).print(plain(text), markup=False, highlight=False, soft_wrap=True)


def say_warnings(warnings: Sequence[str]) -> None:
    """Tell of what may be meant so, a line for each."""
    for warning in warnings:
        say(f"warning: {warning}")


def plain(text: str) -> str:
    """A text without what steers a terminal: whoever gives a reason or a name does not write on another's screen."""
    return text.translate(_STEERING)


def say_next(*commands: str) -> None:
    """Name the commands that people often want next."""
    for command in commands:
        console(is_talk=True).print(f"next: {command}", style="dim", markup=False, highlight=False, soft_wrap=True)


def say_done(text: str, *commands: str, dry_run: bool) -> None:
    """Say what was done and name the next commands, or say what would be done."""
    if dry_run:
        say(f"dry run, nothing was changed; without it: {text}")
        return
    say(text)
    say_next(*commands)


def show_error(error: EdgewrightError, as_json: bool) -> None:
    """Tell of an error on stderr: what, where, and what to do; with `as_json` also as `{"error": …}` on stdout."""
    from rich.text import Text

    from edgewright.contract.errors import to_body

    if as_json:
        show_json(to_body(error))
    lines = Text.assemble((f"error[{error.code}]", "bold red"), (f": {plain(error.message)}", "bold"))
    if error.field:
        lines.append("\n  --> ", style="blue").append(plain(error.field))
    if error.hint:
        lines.append("\nhelp: ", style="bold cyan").append(plain(error.hint))
    console(is_talk=True).print(lines, highlight=False, soft_wrap=True)


def refuse(message: str, *, field: str, hint: str = "") -> NoReturn:
    """End with exit code 1 after data was shown: stdout holds the data alone, stderr says what is wrong with it."""
    from edgewright.contract.errors import Refused

    error = Refused(message, field=field, hint=hint)
    show_error(error, as_json=False)
    raise typer.Exit(error.exit_code)


def build_table(records: Sequence[T], columns: Sequence[Column[T]]) -> Table:
    """A table that fits 80 columns: words wrap, nothing is cut, and what names a record stays in one piece."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_edge=False)
    titles = [title.rstrip(">") for title, _ in columns]
    rows = [[value(record) for _, value in columns] for record in records]
    wanted = [max(map(_width, column)) for column in zip(titles, *rows, strict=True)]
    numbers = [title.endswith(">") for title, _ in columns]
    given = fit_widths(wanted, numbers, console().width - GAP_CHARS * (len(columns) - 1))
    for (title, _), width in zip(columns, given, strict=True):
        side: Literal["left", "right"] = "right" if title.endswith(">") else "left"
        table.add_column(title.rstrip(">"), justify=side, overflow="fold", width=width)
    for row in rows:
        table.add_row(*(Text(plain(text)) for text in row))
    return table


def fit_widths(wanted: Sequence[int], numbers: Sequence[bool], room: int) -> list[int]:
    """How wide each column shall be. Where room is short the widest text wraps first, then names, and numbers last."""
    widths = list(wanted)
    texts = [column for column in range(1, len(widths)) if not numbers[column]]
    for columns, least in ((texts, WORD_CHARS), ([0], NAME_CHARS), (range(len(widths)), 1)):
        while sum(widths) > room and columns and max(widths[column] for column in columns) > least:
            widths[max(columns, key=widths.__getitem__)] -= 1
    return widths


def _width(text: str) -> int:
    """The longest line of a text, in characters."""
    return max(map(len, text.split("\n")))


def console(*, is_talk: bool = False) -> Console:
    """Where to print: stdout for data, stderr for talk. NO_COLOR and a pipe turn colours off."""
    from rich.console import Console

    return Console(stderr=is_talk, highlight=False)
