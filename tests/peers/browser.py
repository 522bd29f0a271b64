"""Chromium without a window: how a page looks, what it says on its console, and what it measures."""

from __future__ import annotations

import html
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.program import binary

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--enable-logging=stderr",
)  # fmt: skip
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')  # lets no script in, not even ours
# A window has 500 pixels at least, a frame as many as it is given.
_FRAME = (
    '<!DOCTYPE html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><body>'
    '<iframe style="border:0;width:{}px;height:900px" srcdoc="{}"></iframe></body>'
)
_PROBE = Path(__file__).with_name("browser.js")


@dataclass(frozen=True, slots=True)
class Browser:
    """`folder`: for its profile and the pages."""

    folder: Path
    width: int = 1280
    dark: bool = False

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        scheme = f"--blink-settings=preferredColorScheme={0 if self.dark else 1}"
        profile = f"--user-data-dir={self.folder}/profile"
        command = [binary("chromium"), *_FLAGS, scheme, profile, f"--window-size={self.width},900", *words]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True)

    def console(self, page: str) -> list[str]:
        """What the page, as it is, makes the browser say."""
        said = self._run("--dump-dom", self._file("page", page)).stderr
        return [line for line in said.splitlines() if "CONSOLE" in line]

    def measure(self, page: str) -> dict[str, Any]:
        """What browser.js finds out about it."""
        script = f"<script>{_PROBE.read_text()}</script></body>"
        inner = html.escape(_POLICY.sub("", page).replace("</body>", script))
        dom = self._run("--dump-dom", self._file("probed", _FRAME.format(self.width, inner))).stdout
        found = re.search(r'<pre id="measured">(.*?)</pre>', dom, re.DOTALL)
        assert found, dom[-2000:]
        measured: dict[str, Any] = json.loads(html.unescape(found[1]))
        return measured

    def screenshot(self, page: str, picture: Path, height: int = 2400) -> None:
        self._run(f"--window-size={self.width},{height}", f"--screenshot={picture}", self._file("shown", page))

    def pdf(self, page: str, file: Path) -> None:
        self._run(f"--print-to-pdf={file}", "--no-pdf-header-footer", self._file("printed", page))

    def _file(self, name: str, page: str) -> str:
        file = self.folder / f"{name}.html"
        file.write_text(page, "utf-8")
        return file.as_uri()
