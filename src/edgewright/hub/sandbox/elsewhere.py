"""Does one task on a machine that has Python and nothing of Edgewright: a Ray cluster, a job of one's own CI.

    python3 elsewhere.py URL SHA256

URL leads to the task's description, whose digest is SHA256. Inputs are fetched and checked by digest, the command runs
in a fresh folder under the task's limits of time, memory and disk, what it says is told to the hub as it comes, and
what it leaves is brought by digest. Needs Python 3.9 and its standard library alone; its text is sent as it is.

Where EDGEWRIGHT_CI_SECRET is set, the answer is signed with it (Standard Webhooks 1.0); the command does not see it.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import ctypes
import hashlib
import hmac
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from typing import Any

SECRET = "EDGEWRIGHT_CI_SECRET"  # noqa: S105 (the name of a variable)
HERE = "{task}"
TRIES = 5
REPLY_S = 60.0
CHUNK = 1 << 20
LOOK_S = 0.5
MAX_LOG = 60_000
MAX_SAID = 16 * 1024 * 1024
MAX_OUTPUTS = 10_000

Json = dict[str, Any]


class Refused(Exception):
    """The hub says no: there is no use in trying again."""


class Trouble(Exception):
    """What kept this machine from doing the task; the hub is told."""


def main(url: str, sha256: str) -> int:
    """Do the task that `url` describes. Returns the exit status of this program: 0 if its command did well."""
    secret = os.environ.pop(SECRET, "")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and the command with it
    body = ask("GET", url)
    if hashlib.sha256(body).hexdigest() != sha256:
        sys.stderr.write("error: the description is not the one that was announced\n")
        return 1
    described = json.loads(body)
    folder = tempfile.mkdtemp(prefix="edgewright-")
    try:
        told = do(described, folder)
    except Refused as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except (Trouble, OSError) as error:
        told = {"reason": f"could not be done here: {error}"}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    end(described, told, secret)
    return 0 if told.get("returncode") == 0 and not told.get("reason") else 1


def do(described: Json, folder: str) -> Json:
    """Fetch, run, bring; how it ended. Raises Refused, Trouble and OSError."""
    task = described["task"]
    for name in ["", task.get("cwd", ""), *task.get("folders", [])]:
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    for file in described["inputs"]:
        fetch(file, os.path.join(folder, file["path"]))
    command = Command(described, folder)
    told = command.run()
    if not told["reason"]:
        told.update(outputs_of(described, folder))
    return told


class Command:
    """The task's command: its process group, what it says, and what ends it."""

    def __init__(self, described: Json, folder: str) -> None:
        self.task = described["task"]
        self.limits = self.task.get("limits", {})
        self.described = described
        self.folder = folder
        self.text = ""  # the end of what it has said
        self.chars = 0  # how many characters that was
        self.known = 0  # how many of them the hub knows
        self.lock = threading.Lock()
        self.is_over = threading.Event()
        self.is_unwanted = False

    def run(self) -> Json:
        """Run it to its end; 'reason' is '' if it did well."""
        argv = [word.replace(HERE, self.folder) for word in self.task["command"]]
        cwd = os.path.join(self.folder, self.task.get("cwd", ""))
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self.confine,
            )
        except OSError as error:
            return {"returncode": 127, "reason": f"cannot start {argv[0]}: {error.strerror}", "output": ""}
        threads = [threading.Thread(target=one, args=[process], daemon=True) for one in (self.listen, self.beat)]
        for thread in threads:
            thread.start()
        try:
            reason = self.watch(process)
        finally:
            kill(process)
            self.is_over.set()
        for thread in threads:
            thread.join(REPLY_S)
        if self.is_unwanted:
            raise Refused("nobody wants this task any more")
        self.tell()
        if not reason and process.returncode:
            reason = how(process.returncode)
        return {"returncode": process.returncode, "reason": reason, "output": self.text}

    def environment(self) -> dict[str, str]:
        """This machine's environment, with this Python first in its PATH, and the task's over it."""
        machine = {"HOME": self.folder, "TMPDIR": self.folder, "SM_NUM_CPUS": str(os.cpu_count() or 1)}
        machine["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', os.defpath)}"
        given = {name: value.replace(HERE, self.folder) for name, value in self.task.get("env", {}).items()}
        return {**os.environ, **machine, **given}

    def confine(self) -> None:
        """Limit memory and files, and end with this program (PR_SET_PDEATHSIG); called in the child."""
        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
        for what, name in ((resource.RLIMIT_DATA, "memory_bytes"), (resource.RLIMIT_FSIZE, "file_bytes")):
            if name in self.limits:
                resource.setrlimit(what, (self.limits[name], self.limits[name]))

    def watch(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for the end, or say what it has to be ended for."""
        deadline = time.monotonic() + self.limits.get("timeout_s", 600.0)
        look_at = 0.0
        while True:
            try:
                process.wait(LOOK_S)
                return self.disk_fault()
            except subprocess.TimeoutExpired:
                pass
            if self.is_unwanted:
                return "was cancelled"
            if time.monotonic() > deadline:
                return "did not end in time"
            if (began := time.monotonic()) >= look_at:
                if fault := self.disk_fault():
                    return fault
                look_at = time.monotonic() + 10 * (time.monotonic() - began)

    def disk_fault(self) -> str:
        """What it has written too much of."""
        most = self.limits.get("disk_bytes", 1 << 62)
        taken = 0
        for place, _, names in os.walk(self.folder):
            for name in names:
                try:
                    taken += os.lstat(os.path.join(place, name)).st_blocks * 512
                except OSError:
                    continue
            if taken > most:
                return f"wrote more than {most:,} bytes to the disk"
        return ""

    def listen(self, process: subprocess.Popen[bytes]) -> None:
        """Hear what it says: pass it on, up to a bound, and keep the end."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        pipe, passed = process.stdout, 0
        while pipe is not None and (chunk := os.read(pipe.fileno(), 65536)):
            if passed < MAX_SAID:
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
                passed += len(chunk)
            with self.lock:
                more = decoder.decode(chunk)
                self.text = (self.text + more)[-MAX_LOG:]
                self.chars += len(more)

    def beat(self, _process: subprocess.Popen[bytes]) -> None:
        """Tell the hub now and then that the command goes on, and what it says."""
        while not self.is_over.wait(self.described.get("beat_s", 5.0)):
            self.tell()

    def tell(self) -> None:
        """Bring the hub's log up to date; what the hub refuses ends the command."""
        with self.lock:
            text, first = self.text, self.chars - len(self.text)
        begin = max(self.known, first)
        body = json.dumps({"log": text[begin - first :], "log_from": begin}).encode()
        try:
            reply = json.loads(ask("POST", self.described["beat_url"], body, tries=1))
        except Refused:
            self.is_unwanted = True
        except (Trouble, ValueError):
            return
        else:
            self.known = int(reply["log_to"])
            self.is_unwanted = self.is_unwanted or not reply["is_wanted"]


def outputs_of(described: Json, folder: str) -> Json:
    """Bring every plain file under the task's outputs; what is told of them."""
    task = described["task"]
    found: list[tuple[str, str]] = []
    for wanted in task.get("outputs", []):
        for place, _, names in os.walk(os.path.join(folder, wanted)):
            for name in names:
                path = os.path.join(place, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    found.append((path, os.path.relpath(path, folder).replace(os.sep, "/")))
    most = task.get("limits", {}).get("output_bytes", 1 << 62)
    size = sum(os.path.getsize(path) for path, _ in found)
    if len(found) > MAX_OUTPUTS:
        return {"reason": f"left {len(found):,} files, more than the {MAX_OUTPUTS:,} that may come back"}
    if size > most:
        return {"reason": f"left {size:,} bytes, more than the {most:,} that may come back"}
    return {"outputs": [bring(described, path, name) for path, name in sorted(found, key=lambda one: one[1])]}


def fetch(file: Json, path: str) -> None:
    """Put an input where it belongs; raises Trouble unless it has its digest."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    digest = hashlib.sha256()
    with open(path, "wb") as out:
        for chunk in pieces(file["url"]):
            digest.update(chunk)
            out.write(chunk)
    if digest.hexdigest() != file["sha256"]:
        raise Trouble(f"input {file['path']} came with another digest")


def bring(described: Json, path: str, name: str) -> Json:
    """Upload an output under its digest."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            digest.update(chunk)
    sha256, size = digest.hexdigest(), os.path.getsize(path)
    ask("PUT", described["output_url"].replace("{sha256}", sha256), path=path)
    return {"path": name, "sha256": sha256, "size_bytes": size}


def end(described: Json, told: Json, secret: str) -> None:
    """Tell the hub how it ended. Raises Refused and Trouble."""
    versions = {"python": platform.python_version(), "machine": platform.machine()}
    body = json.dumps({**told, "environment": versions}).encode()
    ask("POST", described["end_url"], body, secret=secret, id=f"{described['task']['id']}-ended")


def ask(
    method: str,
    url: str,
    body: bytes | None = None,
    *,
    path: str = "",
    secret: str = "",
    id: str = "",
    tries: int = TRIES,
) -> bytes:
    """Send a request, and again if the hub is away. Raises Refused, or Trouble."""
    last: Exception = Trouble("it was not tried")
    for number in range(tries):
        if number:
            threading.Event().wait(2.0**number)
        headers = {"content-type": "application/json", "user-agent": "edgewright-task"}
        headers.update(signed(secret, id, body or b"") if secret else {})
        try:
            if path:
                headers.update(
                    {"content-type": "application/octet-stream", "content-length": str(os.path.getsize(path))}
                )
                with open(path, "rb") as file:
                    return send(urllib.request.Request(url, file, headers, method=method))  # noqa: S310
            return send(urllib.request.Request(url, body, headers, method=method))  # noqa: S310
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise Refused(
                    f"the hub answers {error.code}: {error.read()[:500].decode('utf-8', 'replace')}"
                ) from error
            last = error
        except OSError as error:
            last = error
    raise Trouble(f"the hub cannot be reached: {last}") from last


def send(request: urllib.request.Request) -> bytes:
    """The reply's body."""
    with urllib.request.urlopen(request, timeout=REPLY_S) as reply:  # noqa: S310
        data: bytes = reply.read()
        return data


def pieces(url: str) -> Any:
    """A reply's body in pieces. Raises Trouble."""
    try:
        with urllib.request.urlopen(url, timeout=REPLY_S) as reply:  # noqa: S310
            yield from iter(lambda: reply.read(CHUNK), b"")
    except OSError as error:
        raise Trouble(f"the hub does not give an input: {error}") from error


def signed(secret: str, id: str, body: bytes) -> dict[str, str]:
    """Headers after Standard Webhooks 1.0."""
    stamp = str(int(time.time()))
    key = base64.b64decode(secret[6:] if secret.startswith("whsec_") else secret)
    mac = hmac.new(key, b".".join([id.encode(), stamp.encode(), body]), hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(mac).decode()
    return {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": signature}


def kill(process: subprocess.Popen[bytes]) -> None:
    """End its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def how(returncode: int) -> str:
    """How it ended, in words that follow its name."""
    if returncode < 0:
        return f"was killed by {signal.Signals(-returncode).name}"
    return f"ended with status {returncode}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
