"""The check-in: from memory where nothing has changed, else in a thread that asks the rooms; see docs/adr/0025."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from edgewright.contract.errors import HostileInput
from edgewright.contract.report import CheckIn
from edgewright.contract.wire import read_json
from edgewright.hub.app import Hub
from edgewright.hub.events import Event
from edgewright.hub.fleet.model import MAX_WORD, check_check_in
from edgewright.hub.fleet.presence import DIGEST_BYTES, lives_hash, told_hash
from edgewright.hub.web.devices.asking import Asking
from edgewright.hub.web.devices.kept import Kept, Tail, put_together, short, tag_of
from edgewright.hub.web.devices.rooms import Asked
from edgewright.hub.web.devices.stirring import KINDS, whose
from edgewright.hub.web.devices.stretching import Load, stretched
from edgewright.hub.web.devices.threads import Threads
from edgewright.hub.web.devices.wire import NOTHING_NEW, Answer, RawHeaders, token_of

KEEP_S = 3600.0
SPREAD_S = 600  # so that orders that were kept together do not fall due together
TRIES = 3
DEAF_S = 5.0
LOOK_S = 0.5

_DECODE = msgspec.json.Decoder(CheckIn).decode


class CheckIns:
    """Answers check-ins. The event loop's thread alone calls `answer`; stirring comes from any."""

    def __init__(self, hub: Hub, threads: Threads, load: Load | None) -> None:
        self._hub = hub
        self._clock = hub.clock
        self._threads = threads
        self._load = load
        self._level = 0
        self._presence = hub.fleet.presence
        self._memory = hub.fleet.presence.memory
        self._find, self._expires_at = self._memory.tokens.find, self._memory.expires_at
        self._asking = Asking(hub, threads, hub.settings.requests_waiting)
        self._kept = Kept(hub.settings.orders_kept_bytes)
        self._fresh_s = hub.settings.order_ttl_s / 2
        self._looked_at = float("-inf")
        self._is_deaf = True
        self.from_memory = 0
        self.asked = 0
        hub.events.watch(KINDS, self._stir)

    def quick(self, headers: RawHeaders, body: bytes) -> Answer | None:
        """The answer from memory; None where `slow` must be asked. Raises NotLoggedIn, HostileInput, Busy."""
        now, token = self._clock(), token_of(headers)
        if not 0 <= now - self._looked_at < LOOK_S:
            self._look(now)
        row = self._find(sha256(token).digest()[:DIGEST_BYTES])
        if row is None or now >= self._expires_at[row]:
            return None
        check_in = _read(body)
        if not self._is_known(row, check_in, now):
            return None
        answer = self._from_memory(row, check_in, now)
        if answer is not None:
            self.from_memory += 1
            self._heard(row, check_in, now)
        return answer

    async def slow(self, headers: RawHeaders, body: bytes) -> Answer:
        """Save what is new, have the rooms give an order, and keep it, unless it was stirred meanwhile: then again.

        Raises SessionEnded and DeviceShutOut too.
        """
        token, check = token_of(headers).decode("latin-1"), self._presence.sessions.row
        row = await self._threads.do(check, token, self._clock())
        check_in = _read(body)
        asked = Asked(row, self._memory.devices[row], check_in)
        for _ in range(TRIES):
            stamp, now = self._kept.stamp(row), self._clock()
            found = await self._asking.ask(asked)
            await self._threads.do(check, token, now)  # the device may have been shut out meanwhile
            if self._kept.keep(row, stamp, found.tail, min(found.until, now + KEEP_S + row % SPREAD_S)):
                break
        self.asked += 1
        answer = self._from_memory(row, check_in, now) if self._kept.tail(row) is not None else None
        answer = answer or self._unkept(row, check_in, found.tail, now)
        self._heard(row, check_in, now)
        return answer

    def _look(self, now: float) -> None:
        """What need not be known anew for each check-in: how busy the hub is, and whether it hears of other hubs."""
        self._looked_at = now
        self._is_deaf = self._hub.events.watched_s() > DEAF_S
        if self._load is not None:
            self._load.look(max(self._asking.share, self._threads.share, self._hub.commits.share))
            self._level = self._load.level

    def _is_known(self, row: int, check_in: CheckIn, now: float) -> bool:
        """Whether the device tells what it told last, in the same life, and its order still holds."""
        memory, life = self._memory, check_in.life
        return (
            memory.reported[row] == told_hash(check_in)
            and (not life or (memory.turn[row] + 1 == check_in.turn and memory.life[row] == lives_hash(life)))
            and check_in.machine is None
            and self._kept.is_good(row, now)
            and not self._is_deaf
        )

    def _from_memory(self, row: int, check_in: CheckIn, now: float) -> Answer | None:
        """304, or a fresh order of kept parts; None where the parts are needed and are not kept."""
        level = self._level
        tag = self._kept.tag(row, level)
        if tag is None:
            tail = self._kept.tail(row)
            if tail is None:
                return None
            poll_s = stretched(tail.poll_s, level)
            tag = short(tag_of(self._memory.devices[row], tail, poll_s))
            self._kept.retag(row, level, tag)
            self._presence.heartbeats.tell(row, poll_s)
        if check_in.order_age_s < self._fresh_s and short(check_in.etag) == tag:
            return NOTHING_NEW
        tail = self._kept.tail(row)
        return self._signed(row, check_in, tail, level, now) if tail is not None else None

    def _signed(self, row: int, check_in: CheckIn, tail: Tail, level: int, now: float) -> Answer:
        poll_s = stretched(tail.poll_s, level)
        payload = put_together(self._memory.devices[row], check_in.nonce, now, tail, poll_s)
        return Answer(200, self._hub.packaging.seal_order(payload))

    def _heard(self, row: int, check_in: CheckIn, now: float) -> None:
        memory = self._memory
        memory.turn[row] = check_in.turn
        if self._presence.heartbeats.note(row, check_in.backlog, now):
            self._threads.begin(self._presence.heartbeats.flush)

    def _unkept(self, row: int, check_in: CheckIn, tail: Tail, now: float) -> Answer:
        level = self._level
        poll_s = stretched(tail.poll_s, level)
        tag = tag_of(self._memory.devices[row], tail, poll_s)
        self._presence.heartbeats.tell(row, poll_s)
        if check_in.order_age_s < self._fresh_s and check_in.etag == tag:
            return NOTHING_NEW
        return self._signed(row, check_in, tail, level, now)

    def _stir(self, event: Event) -> None:
        devices = whose(event)
        if devices is None:
            self._kept.stir_all()
        else:
            self._kept.stir([self._memory.find(device) for device in devices])


def _read(body: bytes) -> CheckIn:
    """Decode, and check what no comparison with the last report covers."""
    try:
        check_in = _DECODE(body)
    except (ValueError, OverflowError, RecursionError):
        check_in = read_json(body, CheckIn, "a check-in")  # raises, and says what is wrong
    if len(check_in.nonce) > MAX_WORD or len(check_in.etag) > MAX_WORD or not 0 <= check_in.backlog < 2**31:
        check_check_in(check_in)
        raise HostileInput("a check-in's words are too long", field="nonce")
    return check_in
