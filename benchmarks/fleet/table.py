"""The result of a simulation as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

STEPS = ("calls", "statements_per_call", "p50_ms", "p95_ms", "python_cpu_ms", "database_cpu_ms")


def table(result: Mapping[str, Any]) -> str:
    """Return the figures that matter; the JSON has all."""
    lines: list[str] = []
    if found := result.get("simulation"):
        lines.extend(_simulation(found))
    if rows := result.get("growth"):
        lines.extend(_grid([_grown(row) for row in rows]))
    return "\n".join(lines)


def _simulation(found: Mapping[str, Any]) -> Iterator[str]:
    for name in ("images", "jobs", "shards", "images_per_shard", "simulated_seconds", "least_seconds"):
        yield f"{name:24} {found[name]}"
    for name in ("seconds", "correct", "events", "fairness", "utilisation", "statements"):
        yield f"{name:24} " + "  ".join(f"{key} {value}" for key, value in found[name].items())
    for name, sizes in found["waits"].items():
        yield from (f"{name} {size}: {values}" for size, values in sizes.items())
    yield from _grid([{"step": name, **{key: row[key] for key in STEPS}} for name, row in found["steps"].items()])
    yield from _grid([{"table": name, **row} for name, row in found["tables"].items()])


def _grown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the growth with the database's processor time of each step."""
    sizes = {name: value for name, value in row.items() if name != "steps"}
    return sizes | {f"{step} ms": found["database_cpu_ms"] for step, found in row["steps"].items()}


def _grid(rows: list[Mapping[str, Any]]) -> Iterator[str]:
    names = list(rows[0])
    widths = [max(len(name), *(len(str(row[name])) for row in rows)) for name in names]
    yield "  ".join(name.ljust(width) for name, width in zip(names, widths, strict=True))
    for row in rows:
        yield "  ".join(str(row[name]).ljust(width) for name, width in zip(names, widths, strict=True))
