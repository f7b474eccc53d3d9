"""The renewal of the online metadata goes on, whatever happens."""

from __future__ import annotations

import threading

from edgewright.hub.packaging import Renewal

PATIENCE_S = 10.0


def test_a_renewal_that_failed_is_tried_again_and_goes_on():
    called = threading.Semaphore(0)

    def renew() -> bool:
        called.release()
        raise OSError("no space left on device")

    renewal = Renewal(renew, every_s=0.0, retry_s=0.0)

    renewal.start()

    assert all(called.acquire(timeout=PATIENCE_S) for _ in range(3))
    renewal.stop()


def test_it_ends_at_once_when_it_is_told_to_stop():
    renewal = Renewal(lambda: False)
    renewal.start()

    renewal.stop()

    assert "renewal" not in [thread.name for thread in threading.enumerate()]
