"""A headless Chromium, driven over its own pipe (the DevTools protocol): no driver program, no open port."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import selectors
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
WAIT_S = 30.0


class Browser:
    """One browser with one page; `with Browser(folder) as browser:` ends it."""

    def __init__(self, folder: Path) -> None:
        if CHROMIUM is None:
            raise FileNotFoundError("chromium is not installed")
        told, self._to = _pipe()
        self._from, telling = _pipe()
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        self._log = (folder.parent / "chromium.log").open("wb")
        self._process = subprocess.Popen(  # the pipe's ends are descriptors 3 and 4 by agreement
            ["/bin/bash", "-c", f'exec "$@" 3<&{told} 4>&{telling}', "bash", *command],
            pass_fds=(told, telling),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        os.close(told)
        os.close(telling)
        self._answers = selectors.DefaultSelector()
        self._answers.register(self._from, selectors.EVENT_READ)
        self._buffer, self._number, self._session = b"", 0, ""
        self.problems: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._session = ""
            self._send("Browser.close", {})
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._log.close()

    def open(self, address: str) -> None:
        """Go to a page and wait until it is there."""
        self.ask("window.isLeft = true")
        self.call("Page.navigate", url=address)
        self.wait_for("!window.isLeft && document.readyState === 'complete'")

    def ask(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        reply = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in reply:
            raise AssertionError(f"{script}: {reply['exceptionDetails']}")
        return reply["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until a JavaScript expression holds."""
        waits_until = time.monotonic() + WAIT_S
        while time.monotonic() < waits_until:
            with contextlib.suppress(AssertionError):  # the page that was asked may just go away
                if self.ask(f"Boolean({script})"):
                    return
                self.ask("new Promise(done => setTimeout(done, 50))")
        raise AssertionError(f"never held: {script}; the page says: {self.text()[:2000]}")

    def text(self, selector: str = "body") -> str:
        """What a reader sees of an element."""
        return str(self.ask(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def resize(self, width: int, height: int) -> None:
        """Give the page another size, in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def prefer(self, scheme: str) -> None:
        """'light' or 'dark'."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self) -> bytes:
        """The whole page as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol; what the page complains of meanwhile goes to `problems`."""
        number = self._send(method, params)
        while True:
            message = self._receive()
            if message.get("id") == number:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    def _send(self, method: str, params: dict[str, Any]) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        return self._number

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not self._answers.select(timeout=WAIT_S):
                raise AssertionError("chromium does not answer")
            chunk = os.read(self._from, 2**20)
            if not chunk:
                raise AssertionError("chromium has gone")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"]))
        if message.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are neither descriptor 3 nor 4, which the browser's side shall become."""
    low = os.pipe()
    reader, writer = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    return reader, writer
