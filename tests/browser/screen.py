"""What a page in Chromium shows and does: when it has settled, and every fault it has had."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, WebSocket

# Connected, the script has ended, nothing is stale or a skeleton, and all charts, tables, images and fonts are drawn.
SETTLED = """() => {
  const one = id => document.querySelector(`[data-testid=${id}]`);
  const all = id => [...document.querySelectorAll(`[data-testid=${id}]`)];
  const app = one('stApp'), main = one('stMain');
  return !!app && !!main
    && app.getAttribute('data-test-connection-state') === 'CONNECTED'
    && app.getAttribute('data-test-script-state') === 'notRunning'
    && !!main.querySelector('[data-testid=stElementContainer], [data-testid=stAlert], [data-testid=stException]')
    && !document.querySelector('[data-stale=true], [data-testid=stSkeleton], [data-testid=stAppSkeleton]')
    && all('stVegaLiteChart').every(chart => chart.querySelector('svg .marks, svg.marks, canvas.marks'))
    && all('stDataFrame').every(table => table.querySelector('canvas'))
    && [...document.images].every(image => image.complete)
    && document.fonts.status === 'loaded';
}"""
# Resolves after `quiet` ms without a change in the document, at the latest after 5 s (pages that refresh themselves).
QUIET = """quiet => new Promise(resolve => {
  let timer;
  const watch = new MutationObserver(() => rearm());
  const end = () => { watch.disconnect(); resolve(); };
  const rearm = () => { clearTimeout(timer); timer = setTimeout(end, quiet); };
  watch.observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
  rearm();
  setTimeout(end, 5000);
})"""
# Streamlit asks below a deep link's path for these two first, to find out where it is mounted.
PROBES = ("/_stcore/health", "/_stcore/host-config")


def settle(page: Page, *, timeout_s: float = 30, quiet_ms: int = 250) -> None:
    """Returns when the page has finished: run ended, everything drawn, and quiet for ``quiet_ms``."""
    page.wait_for_function(SETTLED, timeout=timeout_s * 1000, polling=16)
    page.evaluate(QUIET, quiet_ms)
    page.wait_for_function(SETTLED, timeout=timeout_s * 1000, polling=16)


@dataclass
class Faults:
    """What must not happen on any page: requests to other hosts, console errors, uncaught script errors."""

    foreign: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    uncaught: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Records the faults of ``page`` from now on."""
        page.on("request", self._request)
        page.on("websocket", self._websocket)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.uncaught.append(str(error)))

    def _request(self, request: Request) -> None:
        self._host(request.url)

    def _websocket(self, websocket: WebSocket) -> None:
        self._host(websocket.url)

    def _host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
            self.foreign.append(url)

    def _console(self, message: ConsoleMessage) -> None:
        path = urlsplit(message.location.get("url", "")).path
        probe = path.endswith(PROBES) and path not in PROBES
        if message.type == "error" and not probe:
            self.console.append(f"{message.text} ({path})")
