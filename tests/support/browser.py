"""A headless Chromium, driven by its own protocol over a pipe: no driver program, no library, no network."""

import base64
import fcntl
import io
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--no-first-run", "--disable-background-networking", "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9", "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE_S = 120.0  # for anything: software rendering on busy machines is slow


class Tab:
    """One page. `requests` and `complaints` collect its network requests and its error messages."""

    def __init__(self, ours: int, theirs: int) -> None:
        self._write, self._read = ours, theirs
        self._kept, self._number, self._session = b"", 0, None
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE_S
        while (answer := self._next(end)).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; promises are awaited."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait_for(self, expression: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"{expression} never came true; {self.complaints}"
            time.sleep(0.1)

    def open(self, url: str, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=url)

    def picture(self) -> np.ndarray:
        """Return the pixels on the screen, [height, width, 3] uint8."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Drag with the left mouse button, between two points in px."""
        for kind, (x, y), pressed in (("Pressed", start, 1), ("Moved", end, 1), ("Released", end, 0)):
            self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, button="left", buttons=pressed)

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._kept:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            more = os.read(self._read, 1 << 20)
            assert more, "the browser has ended"
            self._kept += more
        message, _, self._kept = self._kept.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        told = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"][:200])
        elif event.get("method") == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.complaints.append(told["entry"]["text"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"])[:1000])


@contextmanager
def chromium(profile: Path) -> Iterator[Tab]:
    """Open a tab of the browser that ILRM_TEST_BROWSER names, or of one on the PATH; skip where there is none."""
    wanted = os.environ.get("ILRM_TEST_BROWSER")
    found = next((path for name in ([wanted] if wanted else NAMES) if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH, and ILRM_TEST_BROWSER names none")
    ends = [*os.pipe(), *os.pipe()]  # read and write end of what we say, then of what it says
    high = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in ends]  # clear of 3 and 4, which the browser uses
    for end in ends:
        os.close(end)
    hears, we_say, we_hear, says = high

    def hand_over() -> None:
        os.dup2(hears, 3)
        os.dup2(says, 4)

    running = subprocess.Popen(
        [found, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        preexec_fn=hand_over, pass_fds=(3, 4), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(hears)
    os.close(says)
    try:
        yield Tab(we_say, we_hear)
    finally:
        running.terminate()
        running.wait(PATIENCE_S)
        os.close(we_say)
        os.close(we_hear)
