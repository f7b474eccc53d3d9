"""The two threads of the supervisor: the keeper on the main one, where signals arrive, and delivery on its own."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

from edgewright.agent.supervisor.delivery import Delivery
from edgewright.agent.supervisor.keeper import Keeper
from edgewright.agent.system import Stop, logs

REST_S = 5.0  # for delivery to come to rest once a stop is requested


class Supervisor:
    """One device's agent. `run` returns when a stop is requested; that the hub is away never ends it.

    `hang_up` breaks off whatever is said to the hub, from any thread.
    """

    def __init__(self, keeper: Keeper, delivery: Delivery, stop: Stop, hang_up: Callable[[], None]) -> None:
        self._keeper = keeper
        self._delivery = delivery
        self._stop = stop
        self._hang_up = hang_up

    def run(self) -> None:
        """Work until asked to stop."""
        logs.say("agent started")
        thread = Thread(target=self._delivery.run, name="delivery", daemon=True)
        thread.start()
        try:
            self._keeper.run()
        finally:
            self._stop.request()
            self._hang_up()
            thread.join(REST_S)
        logs.say("agent stopped", is_at_rest=not thread.is_alive())  # what it leaves, a cut of the power might have
