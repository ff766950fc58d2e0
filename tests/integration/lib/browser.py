# SPDX-License-Identifier: MIT
"""A headless Chromium, spoken to over a pipe: https://chromedevtools.github.io/devtools-protocol/"""
import base64
import fcntl
import json
import os
import pathlib
import select
import shutil
import tempfile

from . import processes
from .wait import FACTOR, wait_until

OPTIONS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-breakpad", "--disable-crash-reporter",
    "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--no-first-run", "--no-proxy-server",
    "--disable-sync", "--metrics-recording-only", "--password-store=basic", "--remote-debugging-pipe",
]  # fmt: skip


def aside(fd):
    """The same under a number that bash's redirections to 3 and 4 leave alone."""
    copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return copy


class Browser:
    """One page. What it complains of is in `complaints`."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sp-chromium-", dir="/tmp"))
        theirs_in, self.out = os.pipe()
        self.inward, theirs_out = os.pipe()
        theirs_in, theirs_out = aside(theirs_in), aside(theirs_out)
        self.log = (self.dir / "log").open("ab")
        command = f'exec chromium "$@" 3<&{theirs_in} 4>&{theirs_out} {theirs_in}<&- {theirs_out}>&-'
        self.process = processes.launch(
            ["bash", "-c", command, "chromium", *OPTIONS, f"--user-data-dir={self.dir / 'profile'}", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stdout=self.log, stderr=self.log,
            env={**os.environ, "HOME": str(self.dir), "XDG_CONFIG_HOME": str(self.dir), "XDG_CACHE_HOME": str(self.dir)},
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self.number, self.rest, self.session, self.complaints = 0, b"", None, []
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self):
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Audits"):
            self.call(f"{domain}.enable")

    def _receive(self):
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.inward], [], [], 60 * FACTOR)
            data = os.read(self.inward, 1 << 16) if ready else b""
            assert data, f"chromium does not answer:\n{(self.dir / 'log').read_text(errors='replace')}"
            self.rest += data
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def _hear(self, message):
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"].get("exception", {}).get("description", "an exception"))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("warning", "error"):
            self.complaints.append(params["entry"]["text"])
        elif method == "Audits.issueAdded":
            self.complaints.append(params["issue"]["code"])

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._hear(answer)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait(f"location.href == {json.dumps(url)} && document.readyState == 'complete'")

    def ask(self, expression):
        """The value of an expression of JavaScript."""
        r = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, allowUnsafeEvalBlockedByCSP=False)
        assert "exceptionDetails" not in r, r["exceptionDetails"]
        return r["result"].get("value")

    def wait(self, expression, timeout=30):
        return wait_until(f"the page has {expression}", lambda: self.ask(expression), timeout)

    def press(self, key, code=None, number=0, text=None):
        event = {"key": key, "code": code or key, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", **event, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def look(self, width, height, scheme):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def close(self):
        started = [self.process.pid, *processes.children(self.process.pid)]
        for pid in started:
            processes.signal_if_alive(pid, 9)
        self.process.wait()
        for fd in (self.out, self.inward):
            os.close(fd)
        self.log.close()
        wait_until("the browser is gone", lambda: not any(processes.is_alive(pid) for pid in started))
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
