"""One page in Chromium: its first paint, its frames while its list scrolls, its memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from playwright.sync_api import CDPSession, Page

STEP_PX = 40  # per frame, a fast turn of the wheel
FRAMES = 300  # of one measurement, 5 s at 60 frames a second
MIB = 1 << 20
TIME_OF = """([type, name]) => new Promise((done) => {
    const found = (list) => list.find((entry) => entry.name === name);
    const entry = found(performance.getEntriesByType(type));
    if (entry) done(entry.startTime);
    else new PerformanceObserver((list) => found(list.getEntries()) && done(found(list.getEntries()).startTime))
        .observe({ type, buffered: true });
})"""
SCROLL = """([selector, step, frames]) => new Promise((done) => {
    const list = selector ? document.querySelector(selector) : document.scrollingElement;
    const intervals = [];
    let last = performance.now(), moved = 0, way = step;
    function frame(now) {
        intervals.push(now - last);
        last = now;
        if (intervals.length > frames) return done({ intervals: intervals.slice(1), moved });
        const before = list.scrollTop;
        list.scrollTop += way;
        moved += Math.abs(list.scrollTop - before);
        if (list.scrollTop === before) way = -way; // the end of a short list
        requestAnimationFrame(frame);
    }
    requestAnimationFrame(frame);
})"""


@dataclass(frozen=True, slots=True)
class MeasuredPage:
    """A page, the element that shows that its contents are there, and the list that scrolls; none is the document.

    `mark` is the name of an entry of the browser's timeline that the page makes when its picture is there.
    """

    address: str
    ready: str
    list: str | None = None
    mark: str | None = None


def measure(page: Page, measured: MeasuredPage, rounds: int) -> dict[str, Any]:
    page.goto(measured.address)
    first_paint = page.evaluate(TIME_OF, ["paint", "first-contentful-paint"])
    page.locator(measured.ready).first.wait_for()
    ready = page.evaluate("performance.now()")
    picture = page.evaluate(TIME_OF, ["mark", measured.mark]) if measured.mark else None
    debugger = page.context.new_cdp_session(page)
    debugger.send("Performance.enable")
    before = _memory(debugger)
    scrolled = [page.evaluate(SCROLL, [measured.list, STEP_PX, FRAMES]) for _ in range(rounds)]
    after = _memory(debugger)
    return {
        "first_contentful_paint_ms": round(first_paint),
        "contents_ms": round(ready),
        **({} if picture is None else {"picture_ms": round(picture)}),
        "scroll": _frames(scrolled),
        "memory": {"before": before, "after": after},
    }


def _frames(scrolled: list[Mapping[str, Any]]) -> dict[str, Any]:
    intervals = np.concatenate([one["intervals"] for one in scrolled])
    return {
        "moved_px": round(sum(one["moved"] for one in scrolled)),
        "frames_per_second": round(1000 / float(intervals.mean()), 1),
        "p95_ms": round(float(np.percentile(intervals, 95)), 1),
        "longest_ms": round(float(intervals.max()), 1),
    }


def _memory(debugger: CDPSession) -> dict[str, float]:
    """Return the heap after a collection, in MiB, and the number of elements and other nodes."""
    debugger.send("HeapProfiler.collectGarbage")
    found = {one["name"]: one["value"] for one in debugger.send("Performance.getMetrics")["metrics"]}
    return {"heap_mib": round(found["JSHeapUsedSize"] / MIB, 1), "nodes": found["Nodes"]}
