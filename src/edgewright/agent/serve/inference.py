"""The app's door: `Model("defects").predict(image=...)` infers in this process, from the disk alone, offline.

A swap drops no request: the old session answers until the new one is loaded and warm. What is watched on the side
(profiles, copies for a shadow phase, samples) never fails a request and never waits for the disk.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from edgewright.agent.disk import Writer, slots
from edgewright.agent.disk import policy as policies
from edgewright.agent.serve.active import Installed, Stamp, read_active, read_policy, stamp
from edgewright.agent.serve.collector import Collector
from edgewright.agent.serve.copies import Sender
from edgewright.agent.serve.package import Package, open_package
from edgewright.agent.serve.recorder import Outbox, Recorder, Source, read_source
from edgewright.contract.errors import EdgewrightError, InvalidInput
from edgewright.contract.manifest import is_plain_name
from edgewright.contract.tensors import Contract, differences

DIR_VARIABLE = "EDGEWRIGHT_AGENT_DIR"
LOOK_EVERY_S = 0.05
RETRY_AFTER_S = 5.0


class ModelNotReady(EdgewrightError):
    """No package of this model is installed on this device yet, or none that loads."""

    code = "model_not_ready"
    hint = "Wait for the agent to install it (`wait_ready`); `edgewright-agent status` says how far it is."


class _Serving(NamedTuple):
    """What answers requests now. `source` is None where requests cannot be counted."""

    installed: Installed
    package: Package
    source: Source | None


class Model:
    """A model on this device. Safe in several threads, and in forked children.

    `dir` is the agent's folder (by default $EDGEWRIGHT_AGENT_DIR). With `contract`, a package that does not satisfy
    it is refused: InvalidInput here, and never swapped to later.
    """

    def __init__(
        self,
        name: str,
        dir: str | Path | None = None,
        contract: Contract | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._root = _root(name, dir)
        self._folder = self._root / "models" / name
        self._contract = contract
        self._clock = clock
        self._serving: _Serving | None = None
        self._is_closed = False
        self._set_up()
        self._load()
        _open.add(self)

    @property
    def version(self) -> int:
        """The version that answers now; 0 while nothing is installed."""
        return self._serving.installed.version if self._serving else 0

    @property
    def counter(self) -> int:
        """The release counter of what answers now; 0 while nothing is installed."""
        return self._serving.installed.counter if self._serving else 0

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes of what answers now, by index; empty where the package brings none."""
        return self._serving.package.labels if self._serving else ()

    def predict(self, /, reference: str = "", **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Infer: one array for each input of the contract, rows first; one for each output comes back, by name.

        `reference` is the app's own name for this request, by which a label can later be joined. Raises
        InvalidInput (naming the input), ModelNotReady, or InferenceFailed.
        """
        now = time.monotonic()
        if now >= self._look_at:
            self._look(now)
        serving = self._serving or self._first()
        package = serving.package
        feeds = package.feeds(inputs)
        started = time.perf_counter()
        outputs = package.infer(feeds)
        latency_s = time.perf_counter() - started
        if serving.source is not None:
            self._recorder.count(serving.source, feeds, outputs, latency_s)
        if self._sender is not None:
            self._sender.send(package, feeds, outputs, latency_s)
        if self._collector.is_collecting and self._collector.offer(package, feeds, outputs, reference):
            self._wake.set()
        return outputs

    def wait_ready(self, timeout_s: float) -> None:
        """Return once a package is installed; raises ModelNotReady after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self._serving is None:
            self._load()
            if self._serving is None and (time.monotonic() >= deadline or self._closing.wait(LOOK_EVERY_S)):
                self._first()

    def close(self) -> None:
        """Spool the last window and let go of everything."""
        if self._is_closed:
            return
        self._is_closed = True
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=RETRY_AFTER_S)
        self._recorder.close_window()
        self._outbox.close()
        if self._sender is not None:
            self._sender.close()
        self._serving = None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _set_up(self) -> None:
        """Everything that belongs to this process alone; done again in a forked child."""
        writer = f"{self.name}-{os.getpid()}-{os.urandom(8).hex()}"
        self._outbox = Outbox(Writer(self._root / "spool", writer), writer, self._clock)
        self._recorder = Recorder(self._outbox, writer, self._clock)
        random = np.random.default_rng(int.from_bytes(os.urandom(8), "big"))
        self._collector = Collector(self._outbox, writer, self._root / "run", self._clock, random)
        self._sender: Sender | None = None
        self._shadow_socket = ""
        self._loading = threading.RLock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._look_at = 0.0
        self._retry_at = 0.0
        self._seen: tuple[Stamp, Stamp] = (None, None)  # by a request; below, by what follows from it
        self._seen_state: Stamp = None
        self._seen_policy: Stamp = None

    def _look(self, now: float) -> None:
        """See whether the agent has changed something; the rest is done beside the requests."""
        self._look_at = now + LOOK_EVERY_S
        seen = (stamp(self._folder / slots.STATE), stamp(self._folder / policies.NAME))
        if seen != self._seen or 0.0 < self._retry_at <= now:
            self._seen = seen
            self._wake.set()
        if self._thread is None and not self._is_closed:
            self._start_thread()

    def _start_thread(self) -> None:
        with self._loading:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"edgewright-{self.name}", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._keep_house()
            self._wake.wait(self._recorder.due_in_s())
            self._wake.clear()

    def _keep_house(self) -> None:
        try:
            self._follow_policy()
            self._load()
            self._recorder.tick()
            self._collector.finish(self._recorder.window_s)
            self._outbox.drain()
        except Exception as error:
            self._outbox.fault("app_side_failed", f"{type(error).__name__}: {error}")

    def _follow_policy(self) -> None:
        found = stamp(self._folder / policies.NAME)
        if found == self._seen_policy:
            return
        self._seen_policy = found
        policy = read_policy(self._folder)
        self._recorder.window_s = policy.window_s
        self._collector.want(policy.sampling)
        if policy.shadow_socket != self._shadow_socket:
            self._shadow_socket = policy.shadow_socket
            old, self._sender = self._sender, Sender(Path(policy.shadow_socket)) if policy.shadow_socket else None
            if old is not None:
                old.close()

    def _first(self) -> _Serving:
        self._load()
        if self._serving is None:
            why = "was closed" if self._is_closed else f"has no package on this device (in {self._folder})"
            raise ModelNotReady(f"the model '{self.name}' {why}")
        return self._serving

    def _load(self) -> None:
        """Bring up what the agent has made active, if it is not up already."""
        with self._loading:
            found = stamp(self._folder / slots.STATE)
            if self._is_closed or (found == self._seen_state and not 0.0 < self._retry_at <= time.monotonic()):
                return
            self._retry_at = 0.0
            active = read_active(self._folder)
            if active is not None and not self._serves(active.current) and not self._swap(active.current):
                self._retry_at = time.monotonic() + RETRY_AFTER_S
                if self._serving is None and active.spare is not None:
                    self._swap(active.spare)
            self._seen_state = found

    def _serves(self, installed: Installed) -> bool:
        return self._serving is not None and self._serving.installed.manifest_sha256 == installed.manifest_sha256

    def _swap(self, installed: Installed) -> bool:
        """Load and warm a package, then let it answer. False if it cannot; what answered before goes on."""
        try:
            package = open_package(installed.folder, installed.manifest_sha256)
        except EdgewrightError as error:
            self._outbox.fault(error.code, f"{self.name} release {installed.counter}: {error.message}")
            return False
        if self._contract is not None and (broken := differences(self._contract, package.contract)):
            if self._serving is None:
                raise InvalidInput("; ".join(broken), field=broken[0].partition(":")[0])
            self._outbox.fault("contract_differs", f"{self.name} release {installed.counter}: {'; '.join(broken)}")
            return False
        had = self._serving
        self._serving = _Serving(installed, package, self._source(installed, package))
        if had is not None and had.source is not None:
            self._recorder.close_window(had.source)
        return True

    def _source(self, installed: Installed, package: Package) -> Source | None:
        try:
            return read_source(installed.folder, package.manifest)
        except (EdgewrightError, OSError) as error:
            self._outbox.fault("profiling_failed", f"{self.name} release {installed.counter} has no reference: {error}")
            return None


_open: weakref.WeakSet[Model] = weakref.WeakSet()


def _root(name: str, dir: str | Path | None) -> Path:
    if not is_plain_name(name):
        raise InvalidInput(f"'{name}' is no name of a model", field="name")
    root = dir or os.environ.get(DIR_VARIABLE)
    if not root:
        raise InvalidInput("the agent's folder is not known", field="dir", hint=f"Pass dir=..., or set {DIR_VARIABLE}.")
    return Path(root)


def _close_all() -> None:
    for model in list(_open):
        model.close()


def _set_up_again() -> None:
    for model in list(_open):
        model._set_up()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_set_up_again)
