"""The app's door: `Model("defects").predict(image=...)` infers in this process, from the disk alone, offline.

A swap drops no request: the old session answers until the new one is loaded and warm.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np

from edgewright.agent.disk import apps, slots, vitals
from edgewright.agent.disk.vitals import Vitals
from edgewright.agent.serve.active import Installed, Stamp, read_active, stamp
from edgewright.agent.serve.answering import LOOK_EVERY_S, Answering, Serving
from edgewright.contract.errors import EdgewrightError, InvalidInput
from edgewright.contract.manifest import is_plain_name
from edgewright.contract.report import Tap
from edgewright.contract.requirement import Wanted, shortfalls
from edgewright.contract.tensors import Contract

DIR_VARIABLE = "EDGEWRIGHT_AGENT_DIR"
RETRY_AFTER_S = 5.0


class ModelNotReady(EdgewrightError):
    """No package of this model is installed on this device yet, or none that loads."""

    code = "model_not_ready"
    hint = "Wait for the agent to install it (`wait_ready`); `edgewright-agent status` says how far it is."


class Model:
    """A model on this device. Safe in several threads, and in forked children.

    `dir` is the agent's folder (by default $EDGEWRIGHT_AGENT_DIR). `contract` is what the app requires: versions in
    words (">=2") or tensors. It is declared to the agent under the name `app` (by default the program's), which from
    then on refuses packages that fall short of it, before they are downloaded. Where one is there all the same it is
    refused here: InvalidInput, and never swapped to later.
    """

    def __init__(
        self,
        name: str,
        dir: str | Path | None = None,
        contract: Wanted = "",
        *,
        app: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._root = find_root(name, dir)
        self._folder = self._root / "models" / name
        self._wanted = contract
        self._clock = clock
        self._serving: Serving | None = None
        self._set_up()
        if app or contract:
            self._declare(app or apps.default_app())
        self._load()
        _open.add(self)

    @property
    def version(self) -> int:
        """The version that answers now; 0 while nothing is installed."""
        return self._serving.package.manifest.version if self._serving else 0

    @property
    def counter(self) -> int:
        """The release counter of what answers now; 0 while nothing is installed."""
        return self._serving.package.manifest.counter if self._serving else 0

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes of what answers now, by index; empty where the package brings none."""
        return self._serving.package.labels if self._serving else ()

    @property
    def contract(self) -> Contract:
        """What goes in and comes out of what answers now. Raises ModelNotReady."""
        return (self._serving or self._first()).package.contract

    def require(self, contract: Wanted, app: str) -> None:
        """Require this from now on, as if it had been said at the beginning. Raises InvalidInput."""
        self._wanted = contract
        self._declare(app)
        if self._serving is not None and (broken := shortfalls(contract, self._serving.package.contract)):
            raise InvalidInput("; ".join(broken), field=broken[0].partition(":")[0])

    def predict(self, /, reference: str = "", **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Infer: one array for each input of the contract, rows first; one for each output comes back, by name.

        `reference` is the app's own name for this request, by which a label can later be joined. Raises
        InvalidInput (naming the input), ModelNotReady, or InferenceFailed.

        A C-contiguous array of the contract's own dtype goes to the runtime without a copy: it must not change
        until this returns. Others are copied once. What comes back is memory that the runtime made for this request
        and that is yours alone.
        """
        answering = self._answering
        now = time.monotonic()
        if now >= answering.look_at:
            answering.look(now)
        return answering.answer(self._serving or self._first(), inputs, reference)

    def feedback(self, reference: str, is_right: bool, *, version: int = 0) -> bool:
        """Tell what a person says of the answer to the request `reference`: right, or wrong.

        Each reference counts once, as long as this process remembers it (the latest 10,000); False where it was
        counted before. `version` is the one that answered, where that is known: what is said of another than answers
        now is not counted. Raises InvalidInput for an empty reference, ModelNotReady.
        """
        serving = self._serving or self._first()
        if version not in (0, serving.package.manifest.version):
            return False
        return self._answering.feedback(serving, reference, Tap.RIGHT if is_right else Tap.WRONG)

    async def apredict(self, /, reference: str = "", **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """As `predict`, in a thread, so that an event loop goes on meanwhile.

        Who gives up waiting (a timeout, a cancelled task) is free at once. The inference itself then ends in its
        thread, is counted, and its answer is dropped: the arrays must not change until then.
        """
        return await asyncio.to_thread(self.predict, reference, **inputs)

    def wait_ready(self, timeout_s: float) -> None:
        """Return once a package is installed; raises ModelNotReady after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self._serving is None:
            self._load()
            if self._serving is None and (time.monotonic() >= deadline or self._answering.closing.wait(LOOK_EVERY_S)):
                self._first()

    def close(self) -> None:
        """Spool the last window and let go of everything."""
        if self._answering.is_closed:
            return
        self._answering.close()
        if self._serving is not None:
            self._serving.vitals.close()
        self._serving = None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _set_up(self) -> None:
        """Everything that belongs to this process alone; done again in a forked child."""
        self._answering = Answering(self._root, self.name, self._load, clock=self._clock)
        self._loading = threading.RLock()
        self._seen_state: Stamp = None
        if self._serving is not None:
            self._serving.vitals.forget()
            own = self._vitals(self._serving.manifest_sha256)
            own.ready()
            self._serving = self._serving._replace(vitals=own)

    def _vitals(self, manifest_sha256: str) -> Vitals:
        return Vitals.create(self._root / vitals.FOLDER, self.name, manifest_sha256)

    def _declare(self, app: str) -> None:
        try:
            apps.declare(self._root, app, self.name, self._wanted, self._clock())
        except OSError as error:  # an app starts on a disk that cannot be written, too
            self._answering.fault("not_declared", f"what {app} requires of {self.name} is not kept: {error}")

    def _first(self) -> Serving:
        self._load()
        if self._serving is None:
            why = "was closed" if self._answering.is_closed else f"has no package on this device (in {self._folder})"
            raise ModelNotReady(f"the model '{self.name}' {why}")
        return self._serving

    def _load(self) -> None:
        """Bring up what the agent has made active, if it is not up already."""
        with self._loading:
            answering = self._answering
            found = stamp(self._folder / slots.STATE)
            is_retry_due = 0.0 < answering.retry_at <= time.monotonic()
            if answering.is_closed or (found == self._seen_state and not is_retry_due):
                return
            answering.retry_at = 0.0
            active = read_active(self._folder)
            if active is not None and not self._serves(active.current) and not self._swap(active.current):
                answering.retry_at = time.monotonic() + RETRY_AFTER_S
                if self._serving is None and active.spare is not None:
                    self._swap(active.spare)
            self._seen_state = found

    def _serves(self, installed: Installed) -> bool:
        return self._serving is not None and self._serving.manifest_sha256 == installed.manifest_sha256

    def _swap(self, installed: Installed) -> bool:
        """Load and warm a package, then let it answer. False if it cannot; what answered before goes on."""
        new = self._open(installed)
        if new is None:
            return False
        had, self._serving = self._serving, new
        if had is not None:
            self._answering.retire(had)
        return True

    def _open(self, installed: Installed) -> Serving | None:
        release = f"{self.name} release {installed.counter}"
        own = self._vitals(installed.manifest_sha256)
        try:
            new = self._answering.open(installed.folder, installed.manifest_sha256, own)
        except EdgewrightError as error:
            own.close()
            self._answering.fault(error.code, f"{release}: {error.message}")
            return None
        if not (broken := shortfalls(self._wanted, new.package.contract)):
            return new
        own.close()
        if self._serving is None:
            raise InvalidInput("; ".join(broken), field=broken[0].partition(":")[0])
        self._answering.fault("contract_differs", f"{release}: {'; '.join(broken)}")
        return None


_open: weakref.WeakSet[Model] = weakref.WeakSet()


def find_root(name: str, dir: str | Path | None) -> Path:
    """The agent's folder, from the argument or the environment. Raises InvalidInput; also for a name that is none."""
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
