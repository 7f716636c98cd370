"""Words for figures and checks, as people read them."""

from __future__ import annotations

from samfleet.advice.figures import MEASURES, Check, Figure

_GIB, _MIB = 2**30, 2**20
_ROUNDED_FROM = 1000  # larger values are shown without decimals


def value_words(measure: str, value: float, unit: str = "") -> str:
    """Format a value with its unit: `48.2 ms`, `1.50 GiB`, `0.741`, `12,000 images/h`, `0.42 USD`."""
    if measure == "memory":
        return f"{value / _GIB:.2f} GiB" if value >= _GIB else f"{value / _MIB:.0f} MiB"
    if measure in {"miou", "ap", "ar"}:
        return f"{value:.3f}"
    number = f"{value:,.0f}" if value >= _ROUNDED_FROM else f"{value:.3g}"
    return f"{number} {unit or MEASURES[measure].unit}".rstrip()


def figure_words(figure: Figure) -> str:
    """Describe a figure with its interval, its n and its evidence."""
    notes = evidence_words(figure)
    if figure.measure == "licence":
        return notes
    value = "unknown" if figure.value is None else value_words(figure.measure, figure.value, figure.unit)
    return f"{value} ({notes})" if notes else value


def evidence_words(figure: Figure) -> str:
    """Describe how a figure is known: its interval, its n, and its evidence, or the reason why it is unknown."""
    if figure.value is None or figure.measure == "licence":
        return figure.where
    notes = []
    if figure.low is not None and figure.high is not None:
        bounds = [value_words(figure.measure, bound, figure.unit) for bound in (figure.low, figure.high)]
        notes.append(" to ".join(bounds))
    if figure.n is not None:
        notes.append(f"{figure.n} {figure.counted}")
    notes.append(f"{figure.evidence} {figure.where}".strip())
    return ", ".join(notes)


def limit_words(measure: str, limit: float, unit: str = "") -> str:
    bound = "at most" if MEASURES[measure].at_most else "at least"
    return f"{bound} {value_words(measure, limit, unit)}"


def check_words(check: Check) -> str:
    """Describe a check: the measure, its figure, and the limit."""
    title = MEASURES[check.measure].title
    if check.limit is None:
        return f"{title}: {check.words or figure_words(check.figure)}"
    return f"{title}: {figure_words(check.figure)}, wanted {limit_words(check.measure, check.limit, check.figure.unit)}"
