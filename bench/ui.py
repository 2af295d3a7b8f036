"""How long people wait, how much reaches the browser, how much memory the server takes; a Markdown table.

``python -m bench.ui`` starts the real workbench and drives it with Chromium on this machine. Times are wall
clock; the server's share of a rerun is read from its own ``page_run_seconds``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv
from playwright.sync_api import Browser, Error, Page, WebSocket, sync_playwright

from tests.browser.chromium import FLAGS, executable
from tests.browser.screen import settle
from tests.browser.server import Server, serving

# What is clicked: the only lines to change when the pages change.
PATHS = ("/", "/incidents", "/explore", "/quality", "/detectors", "/data", "/alerts", "/audit")
RERUN_PATH = "/explore"
RERUN_CONTROL = "[data-testid=stMain] [data-testid=stButtonGroup] button"  # two of its options in turn
SWITCH_LINKS = ("Explore", "Today")
UPLOAD_PATH = "/data"
UPLOAD_INPUT = "[data-testid=stFileUploaderDropzoneInput]"
UPLOAD_STEPS: tuple[str, ...] = ()  # buttons to press by name between the upload and the chart
UPLOAD_RESULT = "[data-testid=stVegaLiteChart] .marks"
UPLOAD_ROWS = 1_000_000

LAST_CHANGE = """() => {
  window.lastChange = performance.now();
  new MutationObserver(() => { window.lastChange = performance.now(); })
    .observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
}"""


@dataclass
class Sheet:
    """The measured rows of the table."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def times(self, what: str, seconds: list[float]) -> None:
        """A row of many measurements: median and 95th percentile, in milliseconds."""
        p95 = sorted(seconds)[max(0, -(-len(seconds) * 95 // 100) - 1)]
        median = f"{statistics.median(seconds) * 1000:.0f} ms (n={len(seconds)})"
        self.rows.append((what, median, f"{p95 * 1000:.0f} ms"))

    def once(self, what: str, value: str) -> None:
        """A row of one measurement."""
        self.rows.append((what, value, ""))

    def show(self) -> str:
        """The rows as a Markdown table."""
        lines = ["| what | median | p95 |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in self.rows)]
        return "\n".join(lines)


def page_seconds(server: Server, page: str) -> float:
    """The server's total time in runs of ``page`` so far."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    start = f'page_run_seconds_sum{{page="{page}"}} '
    return sum(float(line.removeprefix(start)) for line in text.splitlines() if line.startswith(start))


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """A page in a browser context of its own, settled."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark", reduced_motion="reduce")
    page = context.new_page()
    page.goto(url, wait_until="commit")
    settle(page)
    yield page
    context.close()


def until_last_change(page: Page, act: Callable[[], None]) -> float:
    """Seconds from ``act`` (a click) to the last change of the document it caused."""
    page.evaluate(LAST_CHANGE)
    began = page.evaluate("() => performance.now()")
    act()
    page.wait_for_timeout(60)  # the run has reached the browser by then
    settle(page)
    return float(page.evaluate("() => window.lastChange") - began) / 1000


def cold_start(browser: Browser, sheet: Sheet, server: Server, began: float) -> None:
    """Process start to ready, and to the first page drawn in an empty browser."""
    sheet.once("process start -> /readyz", f"{(time.perf_counter() - began) * 1000:.0f} ms")
    with opened(browser, server.url):
        # Settling ends with 250 ms of quiet that nobody waits for.
        sheet.once("process start -> first page interactive", f"{(time.perf_counter() - began - 0.25) * 1000:.0f} ms")


def reruns(browser: Browser, sheet: Sheet, server: Server, count: int) -> None:
    """Clicks the control in turn: click to last change, and the server's own share of it."""
    seen, script = list[float](), list[float]()
    with opened(browser, server.url + RERUN_PATH) as page:
        control = page.locator(RERUN_CONTROL)
        if control.count() < 2:
            sheet.once("rerun", f"not measured: {RERUN_PATH} has no control to click")
            return
        for turn in range(count + 2):
            before = page_seconds(server, RERUN_PATH.strip("/"))
            seconds = until_last_change(page, control.nth(turn % 2).click)
            if turn >= 2:  # the first two fill the caches
                seen.append(seconds)
                script.append(page_seconds(server, RERUN_PATH.strip("/")) - before)
    sheet.times("rerun: server script", script)
    sheet.times("rerun: click -> last change on screen", seen)


def switches(browser: Browser, sheet: Sheet, server: Server, count: int) -> None:
    """Goes back and forth between two pages by the menu."""
    seconds = list[float]()
    with opened(browser, server.url) as page:
        for turn in range(count + 2):
            title = SWITCH_LINKS[turn % 2]
            link = page.get_by_test_id("stSidebarNavLink").filter(has_text=title)
            seconds.append(until_last_change(page, link.click))
            page.wait_for_function("title => document.title.startsWith(title)", arg=title)
    sheet.times(f"page switch {' <-> '.join(SWITCH_LINKS)}: click -> last change", seconds[2:])


def transfers(browser: Browser, sheet: Sheet, server: Server) -> None:
    """What one visit with an empty cache brings to the browser: files, and the page itself over the WebSocket."""
    for path in PATHS:
        files, frames = transferred(browser, server.url + path)
        sheet.once(f"to the browser, {path}", f"{files / 1e6:.2f} MB files, {frames / 1e3:.1f} kB page")


def transferred(browser: Browser, url: str) -> tuple[int, int]:
    """Bytes of files, and bytes over the WebSocket, of one visit with an empty cache."""
    files, frames = list[int](), list[int]()

    def follow(socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: frames.append(len(data)))

    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.on("websocket", follow)
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: files.append(int(event["encodedDataLength"])))
    page.goto(url, wait_until="commit")
    settle(page)
    context.close()
    return sum(files), sum(frames)


def million_rows(path: Path) -> None:
    """A CSV of 1,000,000 rows and 12 columns: time, four dimensions, seven metrics."""
    random = np.random.default_rng(7)
    start = np.datetime64("2025-01-01T00:00:00")
    columns: dict[str, object] = {"time": start + np.sort(random.integers(0, 31_536_000, UPLOAD_ROWS))}
    for name, size in {"region": 5, "channel": 4, "product": 40, "segment": 12}.items():
        labels = np.array([f"{name}-{n:02d}" for n in range(size)])
        columns[name] = labels[random.integers(0, size, UPLOAD_ROWS)]
    for name in ("revenue", "cost", "margin", "price"):
        columns[name] = random.gamma(3, 20, UPLOAD_ROWS).round(2)
    for name in ("visits", "orders", "returns"):
        columns[name] = random.poisson(9, UPLOAD_ROWS)
    pyarrow.csv.write_csv(pa.table(columns), path)


def upload(browser: Browser, sheet: Sheet, server: Server, folder: Path) -> None:
    """From choosing a file of a million rows to the chart of it."""
    file = folder / "million.csv"
    million_rows(file)
    with opened(browser, server.url + UPLOAD_PATH) as page, peak_memory(server.pid) as peak:
        if not page.locator(UPLOAD_INPUT).count():
            sheet.once("upload", f"not measured: {UPLOAD_PATH} has no place to drop a file")
            return
        began = time.perf_counter()
        page.locator(UPLOAD_INPUT).first.set_input_files(file)
        try:
            for name in UPLOAD_STEPS:
                page.get_by_role("button", name=name).click()
            page.locator(UPLOAD_RESULT).first.wait_for(timeout=120_000)
        except Error as error:
            sheet.once("upload", f"failed: {error.message.splitlines()[0]}")
            return
        took = time.perf_counter() - began
    size = file.stat().st_size / 1e6
    sheet.once(f"upload of {UPLOAD_ROWS:,} rows x 12 columns ({size:.0f} MB) -> chart", f"{took:.2f} s")
    sheet.once("memory, peak during the upload", f"{peak[0] / 2**20:.0f} MiB")


@contextmanager
def peak_memory(pid: int) -> Iterator[list[int]]:
    """The largest resident size of the process while the block runs, in bytes."""
    peak, done, process = [0], threading.Event(), psutil.Process(pid)

    def sample() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    thread = threading.Thread(target=sample)
    thread.start()
    yield peak
    done.set()
    thread.join()


def memory(sheet: Sheet, server: Server, when: str) -> None:
    """The resident size of the server now."""
    sheet.once(f"memory, {when}", f"{psutil.Process(server.pid).memory_info().rss / 2**20:.0f} MiB")


def measure(folder: Path, count: int) -> Sheet:
    """All measurements, on a workbench with a new home below ``folder``."""
    sheet = Sheet()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
        began = time.perf_counter()
        with serving(folder / "home") as server:
            memory(sheet, server, "after start")
            cold_start(browser, sheet, server, began)
            memory(sheet, server, "after the first page")
            reruns(browser, sheet, server, count)
            switches(browser, sheet, server, count)
            transfers(browser, sheet, server)
            upload(browser, sheet, server, folder)
            memory(sheet, server, "at the end")
        browser.close()
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=50, help="reruns and page switches to measure (default 50)")
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as folder:
        print(measure(Path(folder), count).show())


if __name__ == "__main__":
    main()
