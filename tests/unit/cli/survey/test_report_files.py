"""Markdown, HTML and charts of a survey's report, from a reply of the API."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from samfleet_cli.survey.document import Document, make_document
from samfleet_cli.survey.markdown import as_markdown
from samfleet_cli.survey.page import as_html
from samfleet_cli.survey.state import CellState, SurveyState

ROWS = [
    {
        "variant": variant,
        "hardware": "A CPU",
        "hardware_id": "0b5d6b7e-7b43",
        "dataset": "<b>shelves</b> | floor",
        "site": "local",
        "task_in_words": "prompts, box",
        "parameters": parameters,
        "n": 20,
        "p50_ms": median,
        "low_ms": low,
        "high_ms": None if low is None else median + 10,
        "run_spread": 0.0123,
        "published": published,
        "published_on": None if published is None else "Xeon",
    }
    for variant, parameters, median, low, published in (
        ("mobile_sam", "aa", 412.34, 400.0, 424.0),
        ("own_sam", "bb", 1000.0, None, None),
    )
]
REPORT: dict[str, Any] = {
    "source": "arXiv 2410.04960",
    "tables": [
        {
            "key": "one_box",
            "number": 4,
            "title": "One box",
            "lead": "Milliseconds.",
            "columns": list(ROWS[0]),
            "rows": ROWS,
            "published_columns": ["variant", "RTX 3090 (ms)"],
            "published_rows": [{"variant": "mobile_sam", "RTX 3090 (ms)": 30.0}],
        },
        {
            "key": "recall",
            "number": None,
            "title": "Recall",
            "lead": "Per cent.",
            "columns": ["variant", "ar_1000"],
            "rows": [],
            "published_columns": [],
            "published_rows": [],
        },
    ],
}
MACHINES = [
    {"device_name": "A CPU", "fingerprint_sha256": "9f86d081884c7d65", "facts": {"torch": "2.13", "driver": ""}}
]


@pytest.fixture
def document() -> Document:
    state = SurveyState(title="Ours & others")
    state.cells["box / mobile_sam"] = CellState(status="completed")
    state.cells["box / edgesam"] = CellState(status="skipped", reason="the licence S-Lab-1.0 is not accepted")
    return make_document(REPORT, MACHINES, state)


class Checked(HTMLParser):
    """Parser that notes the elements, and that every element is closed."""

    VOID = frozenset({"meta", "rect", "line", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, _attributes: Any) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _attributes: Any) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_markdown_has_both_tables_apart_and_what_is_missing(document: Document) -> None:
    lines = as_markdown(document).splitlines()
    assert lines[0] == "# Ours & others"
    assert "## Table 4: One box" in lines
    assert "| mobile\\_sam | 20 | 412.3 | 400 to 422.3 | 1.2 % | 424 | Xeon |" in lines
    assert "| own\\_sam | 20 | 1000 | - | 1.2 % | - | - |" in lines
    assert "| mobile\\_sam | 30 |" in lines
    assert "All rows: site local, task prompts, box, dataset \\<b>shelves\\</b> \\| floor, hardware A CPU." in lines
    assert lines.index("Published:") > lines.index("| own\\_sam | 20 | 1000 | - | 1.2 % | - | - |")
    assert "Nothing measured." in lines
    assert lines[-1] == "- box / edgesam: skipped, the licence S-Lab-1.0 is not accepted"
    assert "- A CPU (9f86d081884c): torch 2.13" in lines


def test_names_of_users_are_text_in_both_forms(document: Document) -> None:
    page, text = as_html(document), as_markdown(document)
    assert "<b>shelves" not in page
    assert "&lt;b&gt;shelves&lt;/b&gt; | floor" in page
    assert "\\<b>shelves\\</b> \\| floor" in text


def test_the_page_is_whole_and_needs_nothing_else(document: Document) -> None:
    page = as_html(document)
    parser = Checked()
    parser.feed(page)
    assert parser.open == []
    assert parser.seen.count("table") == 2
    assert not {"script", "link", "img", "iframe"} & set(parser.seen)
    assert "http" not in page.replace("http-equiv", "")


def test_the_chart_draws_intervals_and_published_figures_where_there_are_any(document: Document) -> None:
    parser = Checked()
    parser.feed(as_html(document))
    assert parser.seen.count("svg") == 1
    assert parser.seen.count("rect") == 2
    assert parser.seen.count("circle") == 1
    assert parser.seen.count("line") == 1 + 1  # an interval and the axis
