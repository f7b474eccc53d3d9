"""The sealed envelope: what opens, and what does not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from edgewright.contract.envelope import MAX_ENVELOPE_BYTES, open_sealed, seal
from edgewright.contract.errors import HostileInput

TYPE = "application/vnd.edgewright.test"
SIGNER = CryptoSigner.generate_ed25519()
KEYS = {SIGNER.public_key.keyid: SIGNER.public_key}


@given(st.binary(max_size=500))
def test_what_was_sealed_opens_to_the_same_bytes(payload):
    assert open_sealed(seal(payload, TYPE, SIGNER), TYPE, KEYS) == payload


@given(st.binary(max_size=300))
def test_any_other_bytes_are_hostile(data):
    with pytest.raises(HostileInput):
        open_sealed(data, TYPE, KEYS)


def test_the_wire_form_is_that_of_the_standard_library():
    envelope = Envelope.from_dict(json.loads(seal(b"payload", TYPE, SIGNER)))

    assert envelope.verify([SIGNER.public_key], 1)


def test_an_envelope_of_another_type_does_not_open():
    with pytest.raises(HostileInput, match="not 'application/other'"):
        open_sealed(seal(b"payload", TYPE, SIGNER), "application/other", KEYS)


def test_a_changed_payload_does_not_open():
    wire = json.loads(seal(b"payload", TYPE, SIGNER))
    wire["payload"] = "cGF5bG9hRA=="

    with pytest.raises(HostileInput, match="no trusted key"):
        open_sealed(json.dumps(wire).encode(), TYPE, KEYS)


def test_an_envelope_of_an_unknown_key_does_not_open():
    sealed = seal(b"payload", TYPE, CryptoSigner.generate_ed25519())

    with pytest.raises(HostileInput, match="no trusted key"):
        open_sealed(sealed, TYPE, KEYS)


def test_nothing_opens_without_keys():
    with pytest.raises(HostileInput, match="no trusted key"):
        open_sealed(seal(b"payload", TYPE, SIGNER), TYPE, {})


def test_an_oversized_envelope_is_not_even_parsed():
    with pytest.raises(HostileInput, match="at most"):
        open_sealed(b" " * (MAX_ENVELOPE_BYTES + 1), TYPE, KEYS)
