"""Drives a headless Chromium through its debugging pipe: no driver, no port, no extra package."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time

CHROMIUM = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome", "chrome"])), None
)


class Navigated(Exception):
    """The page went elsewhere while it was asked."""


class Page:
    """One tab. `logged` holds what the browser complained about: console errors and blocked content."""

    def __init__(self, to_browser, from_browser):
        self._out, self._in, self._last, self._session = to_browser, from_browser, 0, None
        self.logged = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log"]:
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Send a command of the DevTools protocol and return its result."""
        self._last += 1
        command = {"id": self._last, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        self._out.write(json.dumps(command).encode() + b"\0")
        self._out.flush()
        while True:
            message = json.loads(self._read())
            told = message.get("method") in (
                "Log.entryAdded",
                "Runtime.exceptionThrown",
                "Runtime.consoleAPICalled",
            )
            if told and message["params"].get("entry", {}).get("level") != "verbose":
                self.logged.append(message["params"])
            if message.get("id") == self._last:
                said = message.get("error", {}).get("message", "")
                if "navigated" in said or "context" in said:
                    raise Navigated(said)
                assert "error" not in message, message
                return message["result"]

    def _read(self):
        data = b""
        while not data.endswith(b"\0"):
            byte = self._in.read(1)
            assert byte, "the browser has gone"
            data += byte
        return data[:-1]

    def js(self, expression):
        """Evaluate an expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def until(self, condition, seconds=15):
        """Wait until an expression is true; a page that is being loaded again says neither."""
        ends = time.monotonic() + seconds
        while not self._true(condition):
            assert time.monotonic() < ends, (
                f"never true: {condition}\n{self.js('document.body.innerText')}\n{self.logged}"
            )
            time.sleep(0.05)

    def _true(self, condition):
        try:
            return self.js(f"Boolean({condition})")
        except Navigated:
            return False

    def shot(self, path):
        """Save a picture of what is seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextlib.contextmanager
def browser(folder, width=900, height=900):
    """Start Chromium with its profile in `folder`; yields a Page."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", f"--window-size={width},{height}",
        f"--user-data-dir={folder}",
    ]  # fmt: skip

    def wire():  # the browser reads commands from descriptor 3 and answers on 4
        first, second = os.dup(theirs_in), os.dup(theirs_out)
        os.dup2(first, 3)
        os.dup2(second, 4)

    process = subprocess.Popen(command, preexec_fn=wire, close_fds=False, stderr=subprocess.DEVNULL)  # noqa: PLW1509
    os.close(theirs_in)
    os.close(theirs_out)
    with os.fdopen(ours_out, "wb") as out, os.fdopen(ours_in, "rb") as into:
        try:
            yield Page(out, into)
        finally:
            process.terminate()
            process.wait(10)
