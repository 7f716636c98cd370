"""A survey's report as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from samfleet_cli.survey.document import Document, Section, Table


def as_markdown(document: Document) -> str:
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield from (f"# {_escaped(document.title)}", "")
    yield f"Measured with samfleet. Published figures are from {document.source}, on other hardware."
    yield "They stand beside the measured ones and are never averaged with them."
    yield from ("", "## Hardware", "", *(f"- {_escaped(machine)}" for machine in document.machines))
    for section in document.sections:
        yield from _section(section)
    if document.missing:
        yield from ("", "## Not measured", "", *(f"- {_escaped(line)}" for line in document.missing))


def _section(section: Section) -> Iterator[str]:
    yield from ("", f"## {section.title}", "", section.lead)
    if section.measured is None:
        yield from ("", "Nothing measured.")
    else:
        if section.common:
            yield from ("", f"All rows: {_escaped(section.common)}.")
        yield from ("", *_table(section.measured))
    if section.published is not None:
        yield from ("", "Published:", "", *_table(section.published))


def _table(table: Table) -> Iterator[str]:
    yield _row(table.headings)
    yield "|" + "---|" * len(table.headings)
    yield from map(_row, table.cells)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(map(_escaped, cells)) + " |"


def _escaped(text: str) -> str:
    """Escape what Markdown would read as a table's border or as HTML: names come from users."""
    for sign in ("\\", "|", "<", "`", "*", "_", "[", "]"):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
