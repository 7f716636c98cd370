"""The table of a whole run, and the file with all results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.gpu_check.running import GOOD
from benchmarks.gpu_check.steps import BY_NAME

Result = dict[str, Any]
VERDICTS = {True: "ok", False: "FAILED", None: "-"}
SHOWN = (
    "images_per_second",
    "times_faster",
    "idle_share",
    "peak_bytes",
    "encode_ms",
    "plain_encode_ms",
    "agreeing_share",
    "paired_iou",
    "identical_share",
    "not_here",
    "error",
)


def summary(results: Sequence[Result], seconds: float) -> Result:
    environment: Result = next((result["environment"] for result in results if "environment" in result), {})
    return {
        "passed": bool(results) and all(result["status"] in GOOD for result in results),
        "seconds": round(seconds, 1),
        "environment": environment,
        "steps": list(results),
    }


def table(results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        step = BY_NAME[result["step"]]
        seconds = result.get("process_seconds", 0.0)
        reason = f": {result['error']}" if "error" in result else ""
        yield f"{step.name:11} {result['status']:9} {seconds:6.1f} s  {step.title}{reason}"
        for item in result.get("items", ()):
            figures = ", ".join(f"{name} {shown(item[name])}" for name in SHOWN if item.get(name) is not None)
            yield f"  {VERDICTS[item['passed']]:6} {item['seconds']:6.1f} s  {item['name']}  {figures}".rstrip()


def shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value / 2**20:.0f} MiB" if isinstance(value, int) else str(value)[:160]
