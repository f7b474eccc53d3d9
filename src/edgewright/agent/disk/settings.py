"""The agent's settings: DIR/agent.json, made on the first start and changed by options or by hand."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import msgspec

from edgewright.agent.disk import durable
from edgewright.contract.errors import InvalidInput

NAME = "agent.json"
LAST_GOOD = "agent.json.bak"
_WORKER_S = ("idle_unload_s", "request_timeout_s")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the agent behaves. `bandwidth_bytes_s` 0 means no limit.

    `skew_s` is how far the device's clock may be off; null says that it has none, and then the hub's is believed.

    The hub may be silent for `timeout_s`, must send `min_bytes_s` a second on average, and a check-in with all that
    it needs ends within `talk_s`.
    """

    poll_s: float = 30.0
    window_s: float = 60.0
    bandwidth_bytes_s: float = 0.0
    is_metered: bool = False  # each byte costs money
    caches: tuple[str, ...] = ()  # addresses of the site's caches and sharing agents, asked for blobs before the hub
    share: str = ""  # ADDRESS:PORT at which neighbours get the blobs that this device holds; '' shares nothing
    share_bytes_s: float = 4_000_000.0  # to all of them together; 0 means no limit
    ca: str = ""  # a file with the authorities that vouch for the hub's certificate; '' for the system's own
    daily_budget_bytes: int = 0  # what may cross the line to the hub in a day, up and down; 0 means no limit
    reserved_share: float = 0.2  # of it, kept for check-ins and reports of installs and faults
    download_windows: tuple[str, ...] = ()  # 'mon-fri 22:00-05:00': when packages may be fetched; () for always
    switch_windows: tuple[str, ...] = ()  # when another model may take over from the active one; () for always
    time_zone: str = ""  # 'Europe/Berlin': whose time of the day these are; '' for the device's own
    defer_below_battery_percent: int = (
        30  # on battery, an order that lets the device wait is put off below it; 0: never
    )
    defer_above_requests_s: float = 0.0  # the same, while apps ask more than so much a second; 0: never
    max_back_off_s: float = 600.0  # and never above twenty polls
    timeout_s: float = 15.0
    min_bytes_s: float = 100.0
    talk_s: float = 120.0
    trial_timeout_s: float = 300.0
    soak_requests: int = 2000  # that a candidate answers in its trial, after the golden ones
    soak_s: float = 10.0  # and for how long at most
    disk_max_bytes: int = 0  # what the agent's folder may take with an install; 0: all of the disk but the reserve
    disk_reserve_bytes: int = 64 * 1024 * 1024  # that an install leaves free on the disk
    skew_s: float | None = 300.0
    spool_max_bytes: int = 64 * 1024 * 1024
    batch_max_bytes: int = 1024 * 1024
    hardware_ids: tuple[str, ...] = ()  # where the machine does not tell its own, as in a container
    key: str = "file"  # or 'pkcs11:…': where this device's own key is, from its enrolment on
    log_max_bytes: int = 8 * 1024 * 1024  # of DIR/logs; 0: standard error alone
    always: tuple[str, ...] = ()  # models that a worker serves from the agent's start on, not from the first request
    priorities: dict[str, int] = {}  # by model; the higher is served first where memory is short (others: 0)
    memory_max_bytes: int = 0  # what all workers may take together; 0 leaves the machine a share of its memory
    worker_cpus: float = 0.0  # how many processors one worker may keep busy, where cgroups allow it; 0: all
    idle_unload_s: float = 600.0  # a worker that nobody asks anything for so long ends until the next request
    request_timeout_s: float = 30.0  # a request that takes longer has hung its worker
    socket_mode: str = "660"  # of the models' sockets, octal as for chmod
    socket_group: str = ""  # their group; '' leaves the agent's own
    send_samples: bool = True  # what a model's data policy lets leave; false keeps everything here
    redactor: tuple[str, ...] = ()  # a command that each sample goes through: safetensors in, safetensors out
    http_port: int = 0  # of the gateway on 127.0.0.1: all models, and a page of how they stand; 0 for none

    @property
    def longest_wait_s(self) -> float:
        """How long to stay away, at most, while the hub cannot be reached."""
        return min(self.max_back_off_s, 20 * self.poll_s)


def load(root: Path) -> Settings:
    """The settings in `root`, or the defaults; raises InvalidInput that names the field."""
    path = root / NAME
    try:
        settings = msgspec.json.decode(_without_old_names(path.read_bytes()), type=Settings)
    except FileNotFoundError:
        return Settings()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}", field=NAME, hint="Mend the file, or remove it.") from error
    return check(settings)


def load_or_last_good(root: Path) -> tuple[Settings, InvalidInput | None]:
    """The settings, or where the file is damaged those of the last good start, and what is wrong with the file.

    Raises InvalidInput where there was no good start before.
    """
    try:
        return load(root), None
    except InvalidInput as problem:
        last_good = durable.read(root / LAST_GOOD)
        if last_good is None:
            raise
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, InvalidInput):
            return check(msgspec.json.decode(last_good, type=Settings)), problem
        raise


def remember(root: Path, settings: Settings) -> None:
    """Keep what the agent starts with for the day on which the file is damaged."""
    data = msgspec.json.encode(settings)
    if durable.read(root / LAST_GOOD) != data:
        durable.replace(root / LAST_GOOD, data)


def save(root: Path, settings: Settings) -> None:
    """Keep the settings for the next start."""
    durable.replace(root / NAME, msgspec.json.format(msgspec.json.encode(settings), indent=2) + b"\n")


def check(settings: Settings) -> Settings:
    """The settings, if they make sense; raises InvalidInput."""
    for name in (
        "poll_s",
        "window_s",
        "timeout_s",
        "min_bytes_s",
        "talk_s",
        "trial_timeout_s",
        "soak_s",
        "max_back_off_s",
        *_WORKER_S,
    ):
        if not getattr(settings, name) > 0:
            raise InvalidInput(f"{name} is {getattr(settings, name)}; it must be above 0", field=name)
    if not (settings.soak_requests >= 0 and settings.disk_reserve_bytes >= 0):
        name = "soak_requests" if settings.soak_requests < 0 else "disk_reserve_bytes"
        raise InvalidInput(f"{name} is negative", field=name)
    for name in ("memory_max_bytes", "worker_cpus", "disk_max_bytes"):
        if not getattr(settings, name) >= 0:
            raise InvalidInput(f"{name} is {getattr(settings, name)}; 0 means no limit of its own", field=name)
    if not re.fullmatch("0?[0-7]{3}", settings.socket_mode):
        raise InvalidInput(f"socket_mode is '{settings.socket_mode}'; it must be octal, as 660", field="socket_mode")
    if not 0 <= settings.http_port <= 65535:
        raise InvalidInput(f"http_port is {settings.http_port}; it is 1 to 65535, or 0 for none", field="http_port")
    if not 0 <= settings.defer_below_battery_percent <= 100:
        name = "defer_below_battery_percent"
        raise InvalidInput(f"{name} is {settings.defer_below_battery_percent}; it is 0 to 100", field=name)
    for name in ("share_bytes_s", "daily_budget_bytes", "defer_above_requests_s"):
        if getattr(settings, name) < 0:
            raise InvalidInput(f"{name} is negative; 0 means no limit", field=name)
    if not 0 < settings.reserved_share <= 0.9:
        raise InvalidInput(f"reserved_share is {settings.reserved_share}; above 0, at most 0.9", field="reserved_share")
    if settings.share and not re.fullmatch(r"\S+:\d{1,5}", settings.share):
        raise InvalidInput(f"'{settings.share}' is no ADDRESS:PORT", field="share", hint="As in 0.0.0.0:8766.")
    if settings.log_max_bytes < 0:
        raise InvalidInput("log_max_bytes is negative; 0 means no log on the disk", field="log_max_bytes")
    if settings.bandwidth_bytes_s < 0:
        raise InvalidInput("bandwidth_bytes_s is negative; 0 means no limit", field="bandwidth_bytes_s")
    return settings


def _without_old_names(data: bytes) -> bytes:
    """Up to version 0.1 there was one `cache`."""
    known = msgspec.json.decode(data)
    if isinstance(known, dict) and "cache" in known:
        cache = known.pop("cache")
        known.setdefault("caches", [cache] if cache else [])
        return msgspec.json.encode(known)
    return data
