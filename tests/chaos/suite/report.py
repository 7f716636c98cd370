"""Tables that the suite prints, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from chaos.suite.scenario_run import Result

COLUMNS = (
    "scenario", "strikes", "rows", "masks", "shards", "claims", "attempts", "parts swept", "exports", "faults",
    "seconds",
)  # fmt: skip


def summary(results: Sequence[Result], left_out: dict[str, str]) -> Iterator[str]:
    """Yield the lines of one table, whose first result is the reference, then what was left out and why."""
    yield from _table(COLUMNS, (_cells(result, results[0]) for result in results))
    for name, reason in left_out.items():
        yield f"left out: {name}: {reason}"


def strikes(result: Result) -> Iterator[str]:
    """Yield the lines of a table with the number of strikes by kind and target."""
    counted = Counter((struck.strike.kind, struck.strike.target) for struck in result.struck)
    rows = [(kind, target, str(count)) for (kind, target), count in sorted(counted.items())]
    yield from _table(("strike", "target", "times"), [*rows, ("all", "", str(counted.total()))])


def _cells(result: Result, reference: Result) -> Sequence[str]:
    equal = sum(reference.exports.get(name) == digest for name, digest in result.exports.items())
    return (
        result.name,
        str(len(result.struck)),
        str(result.rows),
        str(result.masks),
        str(result.shards),
        str(result.claims),
        str(result.attempts),
        str(result.swept),
        f"{equal} of {len(reference.exports)} equal",
        str(len(result.faults)),
        f"{result.seconds:.0f}",
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
