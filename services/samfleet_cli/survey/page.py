"""A survey's report as one HTML file with charts, without scripts and without other files."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from samfleet_cli.survey.document import Document, Section, Table
from samfleet_cli.survey.svg import bar_chart

STYLE = """
:root { color-scheme: light dark; --line: #8884; --ours: #2563eb; --theirs: #b45309; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h2 { margin-top: 2.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .75rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .75rem; text-align: left; white-space: nowrap; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.published { border-left: 3px solid var(--theirs); padding-left: 1rem; }
svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
.ours { fill: var(--ours); } .interval { stroke: currentColor; } .theirs { fill: none; stroke: var(--theirs); }
.axis { stroke: var(--line); }
"""


def as_html(document: Document) -> str:
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    title = escape(document.title)
    yield f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>"
    yield (
        f"<p>Measured with samfleet. Published figures are from {escape(document.source)}, on other hardware. They "
        "stand beside the measured ones and are never averaged with them.</p>"
    )
    yield from ("<h2>Hardware</h2>", *_list(document.machines))
    for section in document.sections:
        yield from _section(section)
    if document.missing:
        yield from ("<h2>Not measured</h2>", *_list(document.missing))
    yield "</main>\n</body>\n</html>"


def _section(section: Section) -> Iterator[str]:
    yield f'<section id="{escape(section.key)}">\n<h2>{escape(section.title)}</h2>\n<p>{escape(section.lead)}</p>'
    if section.measured is None:
        yield "<p>Nothing measured.</p>"
    else:
        if section.common:
            yield f"<p>All rows: {escape(section.common)}.</p>"
        if section.bars:
            yield bar_chart(section.title, section.figure, section.bars)
        yield from _table(section.measured)
    if section.published is not None:
        yield from ('<div class="published">', "<h3>Published</h3>", *_table(section.published), "</div>")
    yield "</section>"


def _table(table: Table) -> Iterator[str]:
    yield '<div class="scroll">\n<table>'
    headings = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.headings)
    yield f"<thead><tr>{headings}</tr></thead>"
    yield "<tbody>"
    for row in table.cells:
        yield f"<tr>{''.join(map(_cell, row))}</tr>"
    yield "</tbody>\n</table>\n</div>"


def _cell(text: str) -> str:
    kind = ' class="number"' if _is_number(text) else ""
    return f"<td{kind}>{escape(text)}</td>"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "-"
    return True


def _list(lines: tuple[str, ...]) -> Iterator[str]:
    yield from ("<ul>", *(f"<li>{escape(line)}</li>" for line in lines), "</ul>")
