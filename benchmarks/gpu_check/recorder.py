"""Rewrites a step's result file after each item, so that a killed step leaves its results."""

from __future__ import annotations

import json
import math
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Figures = dict[str, Any]


class NotHere(Exception):
    """This device or machine lacks something that an item needs; the item neither passes nor fails."""


class Recorder:
    """Records the items of a step; their `passed` is True, False, or None for a figure without a verdict."""

    def __init__(self, path: Path, step: str, environment: Figures) -> None:
        self._path = path
        self._begun = time.perf_counter()
        self._result: Figures = {"step": step, "status": "running", "environment": environment, "items": []}
        self._write()

    @contextmanager
    def item(self, name: str) -> Iterator[Figures]:
        """Collect the figures of one item, which may contain others. An exception fails only this item."""
        figures: Figures = {}
        around = self._result.get("current")
        self._result["current"] = name
        self._write()
        begun = time.perf_counter()
        try:
            yield figures
        except NotHere as error:
            figures |= {"passed": None, "not_here": str(error)}
        except Exception as error:  # noqa: BLE001 - any error of a kernel or library is the result of its item
            figures |= {"passed": False, "error": told(error), "traceback": traceback.format_exc().splitlines()[-12:]}
        seconds = round(time.perf_counter() - begun, 3)
        self._result["items"].append({"name": name, "passed": True, **figures, "seconds": seconds})
        if around is None:
            del self._result["current"]
        else:
            self._result["current"] = around
        self._write()

    def finish(self, error: Exception | None = None) -> str:
        """Write and return the status. A step without a passed item has no result."""
        verdicts = [item["passed"] for item in self._result["items"]]
        if error is not None:
            self._result["error"] = told(error)
        self._result["status"] = "failed" if error is not None or False in verdicts else "passed"
        if error is None and True not in verdicts:
            self._result["status"] = "not_here" if verdicts else "empty"
        self._write()
        return str(self._result["status"])

    def _write(self) -> None:
        self._result["seconds"] = round(time.perf_counter() - self._begun, 3)
        write_json(self._path, self._result)


def told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def write_json(path: Path, values: Figures) -> None:
    """Write the file atomically."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(finite(values), indent=1) + "\n")
    part.replace(path)


def finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON lacks, by texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): finite(part) for key, part in value.items()}
    return [finite(part) for part in value] if isinstance(value, list | tuple) else value
