"""The key ring that verbs sign with: which folder, and what opens it; and asking before anything is signed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.output import say

if TYPE_CHECKING:
    from edgewright.client.keys import OperatorKeys
    from edgewright.contract.api import SigningPayload

KeysDir = Annotated[
    Path | None, typer.Option("--keys", help="The folder of the key ring; the one of your login by default.")
]
Passphrase = Annotated[
    str, typer.Option(envvar="EDGEWRIGHT_KEYS_PASSPHRASE", help="Opens the key files.", show_envvar=True)
]
Yes = Annotated[bool, typer.Option("--yes", help="Sign without asking.")]


def open_keys(folder: Path | None, passphrase: str) -> OperatorKeys:
    """The key ring in `folder`, or in the folder that came with the login; raises UsageError where none is known."""
    from edgewright.client.keys import OperatorKeys

    return OperatorKeys(folder or _keys_of_login(), passphrase)


def tell_payloads(keys: OperatorKeys, payloads: Iterable[SigningPayload]) -> None:
    """Say in sentences what would be signed; raises HostileInput for what must not be."""
    for payload in payloads:
        for line in keys.describe(payload):
            say(line)


def may_sign(yes: bool) -> bool:
    """Ask at a terminal; elsewhere only --yes is a yes."""
    if yes:
        return True
    if not sys.stdin.isatty():
        say("not signed: say --yes to sign this")
        return False
    return typer.confirm("Sign this?", err=True)


def _keys_of_login() -> Path:
    from edgewright.client.credentials import current
    from edgewright.contract.errors import UsageError

    folder = current().keys
    if not folder:
        raise UsageError(
            "no folder of keys is known here",
            field="keys",
            hint="Name it: --keys DIR (see `edgewright hub up`).",
        )
    return Path(folder)
