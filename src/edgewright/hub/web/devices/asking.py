"""Check-ins that memory cannot answer, gathered: what is new in them is committed, then the rooms are asked."""

from __future__ import annotations

import asyncio

from edgewright.contract.errors import Busy
from edgewright.hub.app import Hub
from edgewright.hub.fleet.model import check_check_in
from edgewright.hub.fleet.presence import Act, Told, last_turn, lives_hash, told_hash
from edgewright.hub.web.devices.rooms import Answered, Asked, Rooms
from edgewright.hub.web.devices.threads import RETRY_S, Threads

GROUP = 200
AT_ONCE = 3
"""Groups that are on their way together: while one waits for its commit, others are read."""

Waiting = tuple[Asked, "asyncio.Future[Answered]"]


class Asking:
    """Answers check-ins in groups. All of it but the work in threads happens in the event loop's thread."""

    def __init__(self, hub: Hub, threads: Threads, max_waiting: int) -> None:
        self._hub = hub
        self._threads = threads
        self._rooms = Rooms(hub)
        self._memory = hub.fleet.presence.memory
        self._max_waiting = max_waiting
        self._waiting: list[Waiting] = []
        self._groups: set[asyncio.Task[None]] = set()

    @property
    def share(self) -> float:
        """How much of its places is taken, from 0 to 1."""
        return len(self._waiting) / self._max_waiting

    async def ask(self, asked: Asked) -> Answered:
        """What the device shall do, once all that it has told is saved. Raises HostileInput, Busy and what rooms do."""
        check_check_in(asked.check_in)
        if len(self._waiting) >= self._max_waiting:
            raise Busy("the hub has too many check-ins to answer now", retry_after_s=RETRY_S)
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        self._begin()
        return await answer

    def _begin(self) -> None:
        while self._waiting and len(self._groups) < AT_ONCE:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            task = asyncio.ensure_future(self._answer(group))
            self._groups.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._groups.discard(task)
        self._begin()

    async def _answer(self, group: list[Waiting]) -> None:
        """Errors of one check-in are its own; what goes wrong with a whole group is everybody's."""
        try:
            saved = await self._save(group)
            idle = await self._threads.do(self._rooms.idle, [asked for asked, _ in saved])
            await asyncio.gather(*(self._one(*one, order) for one, order in zip(saved, idle, strict=True)))
        except Exception as error:
            for _, answer in group:
                _fail(answer, error)

    async def _one(self, asked: Asked, answer: asyncio.Future[Answered], order: Answered | None) -> None:
        try:
            found = order if order is not None else await self._threads.do(self._rooms.busy, asked)
        except Exception as error:
            _fail(answer, error)
        else:
            if not answer.done():
                answer.set_result(found)

    async def _save(self, group: list[Waiting]) -> list[Waiting]:
        """Commit what the group tells; those of it that could be."""
        told = [self._told(asked) for asked, _ in group]
        acts = await self._threads.do(self._hub.fleet.presence.news_of, told, self._hub.clock())
        commits = (self._commit(act) for act in acts if act is not None)
        results = iter(await asyncio.gather(*commits, return_exceptions=True))
        saved = []
        for (asked, answer), act in zip(group, acts, strict=True):
            error = next(results) if act is not None else None
            if isinstance(error, Exception):
                _fail(answer, error)
            else:
                self._remember(asked)
                saved.append((asked, answer))
        return saved

    async def _commit(self, act: Act) -> None:
        await asyncio.wrap_future(self._hub.commits.submit(act))

    def _told(self, asked: Asked) -> Told:
        return Told(asked.device, asked.check_in, last_turn(self._memory, asked.row, lives_hash(asked.check_in.life)))

    def _remember(self, asked: Asked) -> None:
        memory, check_in = self._memory, asked.check_in
        memory.reported[asked.row] = told_hash(check_in)
        memory.life[asked.row], memory.turn[asked.row] = lives_hash(check_in.life), check_in.turn


def _fail(answer: asyncio.Future[Answered], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
