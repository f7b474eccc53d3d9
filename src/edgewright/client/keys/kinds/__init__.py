"""Where private keys live: one Protocol, one file for each kind, loaded by the name that the key ring gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from securesystemslib.signer import Key, Signer

from edgewright import plugins
from edgewright.contract.errors import InvalidInput, NotFound

GROUP = "edgewright.keys"


class NoOperatorKeys(NotFound):
    code = "no_operator_keys"
    hint = "`edgewright hub up` makes them on its first start; name their folder with --keys."


class KeyUnreadable(InvalidInput):
    """The key is there and cannot be opened: a wrong passphrase or PIN, or no key at all."""

    code = "key_unreadable"


@dataclass(frozen=True)
class Vault:
    """What a kind may use: the key ring's folder, the passphrase of its files, and the environment."""

    folder: Path
    passphrase: str
    environment: Mapping[str, str]


class KeyKind(Protocol):
    """One way of keeping private keys; made from a Vault. `place` says where one key is, without any secret."""

    def make(self, name: str, scheme: str) -> tuple[str, Key]:
        """Make the key `name`, or take the one that is there if this kind cannot make any.

        Returns its place and its public half, whose scheme may be another where the kind knows only that one.
        Raises Conflict where there is such a key already, NotFound, KeyUnreadable.
        """
        ...

    def open(self, place: str, public: Key) -> Signer:
        """What signs with that key. Raises NoOperatorKeys, KeyUnreadable."""
        ...


def open_kind(name: str, vault: Vault) -> KeyKind:
    """The installed kind of that name; raises NotFound."""
    return cast(KeyKind, plugins.load(GROUP, name)(vault))
