"""Bar charts as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from samfleet_cli.reporting.layout import cell_words
from samfleet_cli.survey.document import Bar

WIDTH, LABELS, FIGURES, ROW = 900, 330, 90, 24
_PLOT = WIDTH - LABELS - FIGURES
_LONGEST = 48  # characters of a label


def bar_chart(title: str, figure: str, bars: Sequence[Bar]) -> str:
    """Return a chart of measured figures with their intervals; circles are published figures on other hardware."""
    height = ROW * (len(bars) + 1) + 8
    most = max(max(filter(None, (bar.value, bar.high, bar.published)), default=0.0) for bar in bars) or 1.0
    body = "\n".join(line for place, bar in enumerate(bars) for line in _bar(place, bar, _PLOT / most))
    named = any(bar.published is not None for bar in bars)
    legend = f"bars: {figure}; circles: published" if named else f"bars: {figure}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">\n{body}\n'
        f'<line class="axis" x1="{LABELS}" y1="0" x2="{LABELS}" y2="{height - ROW}"/>\n'
        f'<text x="{LABELS}" y="{height - 8}">{escape(legend)}</text>\n</svg>'
    )


def _bar(place: int, bar: Bar, scale: float) -> Iterator[str]:
    top, middle = place * ROW + 5, place * ROW + ROW / 2
    label = bar.label if len(bar.label) <= _LONGEST else f"{bar.label[: _LONGEST - 1]}…"
    yield f'<text x="{LABELS - 8}" y="{middle + 4:g}" text-anchor="end">{escape(label)}</text>'
    yield f'<rect class="ours" x="{LABELS}" y="{top}" width="{bar.value * scale:.1f}" height="{ROW - 10}"/>'
    end = bar.value
    if bar.low is not None and bar.high is not None:
        low, high = (LABELS + bound * scale for bound in (bar.low, bar.high))
        yield f'<line class="interval" x1="{low:.1f}" y1="{middle:g}" x2="{high:.1f}" y2="{middle:g}"/>'
        end = max(end, bar.high)
    if bar.published is not None:
        yield f'<circle class="theirs" cx="{LABELS + bar.published * scale:.1f}" cy="{middle:g}" r="5"/>'
        end = max(end, bar.published)
    yield f'<text x="{LABELS + end * scale + 10:.1f}" y="{middle + 4:g}">{escape(cell_words(bar.value))}</text>'
