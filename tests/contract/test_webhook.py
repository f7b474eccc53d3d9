"""Webhooks are signed as the Standard Webhooks specification says, and nothing else is believed."""

from __future__ import annotations

import pytest

from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.webhook import key_of, secret_of, sign, verify

# The example of the specification's reference implementations.
SECRET, ID, AT = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_example_of_the_specification_is_signed_alike():
    headers = sign(SECRET, ID, AT + 0.7, BODY)

    assert headers == {"webhook-id": ID, "webhook-timestamp": str(AT), "webhook-signature": SIGNATURE}
    assert verify(SECRET, headers, BODY, AT + 299) == ID


def test_one_of_several_signatures_is_enough():
    headers = sign(SECRET, ID, AT, BODY) | {"webhook-signature": f"v1,Zm9v {SIGNATURE} v2,bar"}

    assert verify(SECRET, headers, BODY, AT) == ID


@pytest.mark.parametrize(
    ("change", "body", "now"),
    [
        ({}, BODY + b" ", AT),
        ({}, BODY, AT + 301),
        ({}, BODY, AT - 301),
        ({"webhook-id": "msg_other"}, BODY, AT),
        ({"webhook-id": ""}, BODY, AT),
        ({"webhook-timestamp": str(AT + 1)}, BODY, AT),
        ({"webhook-timestamp": "²"}, BODY, AT),
        ({"webhook-timestamp": "9" * 5000}, BODY, AT),
        ({"webhook-signature": ""}, BODY, AT),
        ({"webhook-signature": "v1,\ud800é"}, BODY, AT),
    ],
)
def test_what_was_changed_or_is_old_is_not_believed(change, body, now):
    with pytest.raises(HostileInput):
        verify(SECRET, sign(SECRET, ID, AT, BODY) | change, body, now)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_Zm9v", "Zm9v" * 8, "whsec_" + "é" * 40, "whsec_" + "A" * 400])
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret):
    with pytest.raises(InvalidInput) as caught:
        key_of(secret)

    assert len(secret) < 10 or secret not in caught.value.message


def test_a_key_comes_back_as_it_was():
    assert key_of(secret_of(bytes(range(32)))) == bytes(range(32))
