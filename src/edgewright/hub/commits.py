"""Group commit: small changes of many requests share one transaction, so that a commit's cost is paid once."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog

from edgewright.contract.errors import Busy
from edgewright.hub.db import Database, savepoint

log = structlog.get_logger()

GATHER_S = 0.01
MAX_GROUP_S = 0.05
MAX_WAITING = 5000
MAX_RETRY_S = 60.0
TRIES = 5
_CROSSED = ("40P01", "40001")  # PostgreSQL: deadlock detected, could not serialize

T = TypeVar("T")


@dataclass(frozen=True)
class _Waiting:
    act: Callable[[sa.Connection], Any]
    future: Future[Any]
    tries: int = 1


class GroupCommit:
    """Does small acts in shared transactions, each in a savepoint of its own, in one thread.

    Before `start` each is done at once, in a transaction of its own, in the caller's thread.

    An act that raises is undone alone and its error goes to its caller; the others of its group commit. Acts are
    short, wait for nothing and write by the connection that they get. At most `max_waiting` wait: beyond that, and
    after `stop`, Busy is raised and nothing is done.
    """

    def __init__(self, db: Database, *, max_waiting: int = MAX_WAITING, gather_s: float = GATHER_S) -> None:
        self._db = db
        self._max_waiting = max_waiting
        self._gather_s = gather_s
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._act_s = 0.001  # what an act took of late, with its share of the commit

    @property
    def waiting(self) -> int:
        """How many acts wait for a commit."""
        return len(self._waiting)

    @property
    def share(self) -> float:
        """How much of its places is taken, from 0 to 1."""
        return len(self._waiting) / self._max_waiting

    def do(self, act: Callable[[sa.Connection], T]) -> T:
        """What `act` returns, once it has been committed. Raises Busy, and whatever `act` raises."""
        if self._db.is_writing:
            raise RuntimeError("a group commit inside a write(): hand its connection on instead")
        return self.submit(act).result()

    def submit(self, act: Callable[[sa.Connection], T]) -> Future[T]:
        """As `do`, for a caller that must not wait: the future is done once the act has been committed."""
        future: Future[T] = Future()
        if self._thread is None and not self._stopping:
            _settle(future, self._db, act)
            return future
        with self._changed:
            if self._stopping or len(self._waiting) >= self._max_waiting:
                raise Busy("the hub has too many changes to save now", retry_after_s=self._retry_after_s())
            self._waiting.append(_Waiting(act, future))
            self._changed.notify()
        return future

    def start(self) -> None:
        """From now on, acts share transactions."""
        self._thread = threading.Thread(target=self._run, name="commits", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, and take no more."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _retry_after_s(self) -> float:
        return min(MAX_RETRY_S, 1.0 + len(self._waiting) * self._act_s)

    def _run(self) -> None:
        is_crowded = False
        while self._wait(is_crowded):
            began = time.monotonic()
            count = self._commit()
            is_crowded = count > 1
            self._act_s += 0.1 * ((time.monotonic() - began) / max(1, count) - self._act_s)

    def _wait(self, is_crowded: bool) -> bool:
        """Until there is something to commit; False once all is done. Where acts come in crowds, for some more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            if is_crowded and not self._stopping:
                self._changed.wait_for(lambda: self._stopping, timeout=self._gather_s)
            return bool(self._waiting)

    def _commit(self) -> int:
        """One group in one transaction. Nobody is told before it has committed; returns how many there were."""
        done: list[tuple[_Waiting, Any]] = []
        failed: list[tuple[_Waiting, Exception]] = []
        try:
            with self._db.write() as connection:
                for item in self._group():
                    try:
                        done.append((item, _perform(connection, item)))
                    except Exception as error:
                        failed.append((item, error))
                        if _is_broken(error):
                            raise
        except Exception as error:
            log.exception("commits.group_failed", acts=len(done))
            failed.extend((item, error) for item, _ in done)
            done.clear()
        for item, result in done:
            item.future.set_result(result)
        for item, why in failed:
            self._refuse(item, why)
        return len(done) + len(failed)

    def _group(self) -> Iterator[_Waiting]:
        """Those that wait, and those that come meanwhile, for at most MAX_GROUP_S."""
        ends_at = time.monotonic() + MAX_GROUP_S
        while self._waiting and time.monotonic() < ends_at:
            item = self._waiting.popleft()
            if item.tries > 1 or item.future.set_running_or_notify_cancel():
                yield item

    def _refuse(self, item: _Waiting, error: Exception) -> None:
        """Hand an act's error to its caller, or try once more what another hub's transaction was in the way of."""
        if _is_crossed(error) and item.tries < TRIES:
            with self._changed:
                self._waiting.append(_Waiting(item.act, item.future, item.tries + 1))
        else:
            item.future.set_exception(error)


def _settle(future: Future[T], db: Database, act: Callable[[sa.Connection], T]) -> None:
    """Do one act alone."""
    try:
        with db.write() as connection:
            result = act(connection)
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def _perform(connection: sa.Connection, item: _Waiting) -> Any:
    with savepoint(connection):
        return item.act(connection)


def _is_crossed(error: Exception) -> bool:
    return isinstance(error, sa.exc.DBAPIError) and getattr(error.orig, "sqlstate", "") in _CROSSED


def _is_broken(error: Exception) -> bool:
    return isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated
