"""Blobs from an S3 bucket: a real store that speaks S3, the real hub, and the real agent's way to blobs."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import obstore
import pytest
from moto.server import ThreadedMotoServer

from edgewright.contract.errors import InvalidInput
from edgewright.hub.registry.blobs import UnknownBlob
from edgewright.hub.registry.serving import Ask, ByNginx, FromS3, open_bucket
from scenes.served import ServedHub

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a store with a bucket 'fleet'."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    put(f"http://{host}:{port}/fleet")
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(store, monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    bucket = open_bucket("s3://fleet/blobs", store, "eu-central-1")
    yield bucket
    for page in obstore.list(bucket):
        obstore.delete(bucket, [item["path"] for item in page])


@pytest.fixture
def served(tmp_path, store, bucket):
    facts = {"s3_url": "s3://fleet/blobs", "s3_endpoint": store, "s3_region": "eu-central-1"}
    served = ServedHub(tmp_path / "hub", blob_serving="s3", **facts)
    yield served
    served.close()


def put(address: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(address, method="PUT")):
        pass


def fetch(line, sha256: str, offset: int = 0) -> bytes:
    with line.body(sha256, offset) as chunks:
        return b"".join(chunks)


def test_the_first_device_is_answered_by_the_hub_and_the_next_ones_by_the_bucket(served):
    data = bytes(range(256)) * 5000
    sha256 = served.hub.blobs.put_bytes(data)
    line = served.line()

    first = fetch(line, sha256)
    served.hub.serving.mirror.settle()
    second, rest = fetch(line, sha256), fetch(line, sha256, 1_000_000)

    assert (first, second, rest) == (data, data, data[1_000_000:])
    assert served.hub.serving.answer(sha256, Ask()).status == 307


def test_an_address_is_signed_and_ends_soon(served):
    sha256 = served.hub.blobs.put_bytes(b"some bytes")
    served.hub.serving.mirror.copy(sha256)

    address = dict(served.hub.serving.answer(sha256, Ask()).headers)["location"]

    assert "X-Amz-Signature=" in address
    assert "X-Amz-Expires=900" in address
    assert "secret" not in address
    with urllib.request.urlopen(address) as reply:
        assert reply.read() == b"some bytes"


def test_a_bucket_that_lost_a_blob_is_gone_round(served, bucket):
    lost = served.hub.blobs.put_bytes(b"lost")
    served.hub.serving.mirror.copy(lost)
    obstore.delete(bucket, lost)
    line = served.line()

    with pytest.raises(Exception, match="404"):
        fetch(line, lost)

    assert fetch(line, lost) == b"lost"


def test_a_bucket_that_is_away_leaves_the_hub_to_answer(blobs, monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    nowhere = open_bucket("s3://fleet/blobs", "http://127.0.0.1:9", "eu-central-1")
    serving = FromS3(blobs, nowhere, link_s=60.0, monotonic=lambda: 0.0)
    sha256 = blobs.put_bytes(b"some bytes")

    answers = [serving.answer(sha256, Ask()) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 200]


def test_a_blob_that_the_hub_does_not_have_is_not_signed_for(served):
    with pytest.raises(UnknownBlob):
        served.hub.serving.answer("0" * 64, Ask())


@pytest.mark.parametrize("url", ["", "fleet", "s3://", "http://fleet/"])
def test_what_is_no_bucket_is_told_at_the_start(url):
    with pytest.raises(InvalidInput, match="no bucket") as refusal:
        open_bucket(url)

    assert refusal.value.field == "s3_url"


def test_a_blob_is_copied_once_and_an_older_copy_of_another_length_is_replaced(blobs, bucket, tmp_path):
    sha256 = blobs.put_bytes(b"some bytes")
    obstore.put(bucket, sha256, b"torn")
    serving = FromS3(blobs, bucket, link_s=60.0, monotonic=lambda: 0.0)

    serving.mirror.copy(sha256)

    assert bytes(obstore.get(bucket, sha256).bytes()) == b"some bytes"
    serving.close()


def test_nginx_is_told_where_the_file_lies(blobs):
    sha256 = blobs.put_bytes(b"some bytes")

    answer = ByNginx(blobs, "/inside/").answer(sha256, Ask(range="bytes=2-"))

    assert dict(answer.headers)["x-accel-redirect"] == f"/inside/{sha256[:2]}/{sha256}"
    assert (answer.status, answer.file) == (200, None)
