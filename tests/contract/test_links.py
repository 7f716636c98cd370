"""Every relative link in Markdown files resolves to an existing file, and every `#anchor` to one of its headings."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = re.compile(r"^(\.|demo-output$|dist$|node_modules$)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$", re.MULTILINE)


def documents() -> list[Path]:
    found = ROOT.rglob("*.md")
    return sorted(path for path in found if not any(HIDDEN.match(part) for part in path.relative_to(ROOT).parts))


def anchors(text: str) -> set[str]:
    """Return anchors as on GitHub: lower case, no punctuation, hyphens for blanks, -1, -2 after repeated ones."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCED.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        again = sum(1 for one in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", one))
        found.add(f"{slug}-{again}" if again else slug)
    return found


def broken(document: Path, text: str) -> list[str]:
    bad = []
    for target in LINK.findall(FENCED.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        there = (document.parent / path).resolve() if path else document
        if not there.exists() or (anchor and anchor not in anchors(there.read_text(encoding="utf-8"))):
            bad.append(target)
    return bad


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_resolves(document: Path) -> None:
    assert not broken(document, document.read_text(encoding="utf-8"))


def test_a_broken_link_is_detected(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page: 1. `code`, twice\n## Twice\n## Twice\n```\n# no heading\n```\n")
    good = "[a](#a-page-1-code-twice) [b](page.md#twice-1) [c](https://example.org/x) [d](.)"
    assert broken(page, good) == []
    assert broken(page, "[a](#no-heading) [b](gone.md) [c](page.md#thrice)") == [
        "#no-heading",
        "gone.md",
        "page.md#thrice",
    ]


def test_the_index_of_decisions_lists_every_title_and_status() -> None:
    folder = ROOT / "docs" / "adr"
    row = re.compile(r"^\| \[(\d{4})\]\((\S+?)\) \| (.+?) \| (.+?) \|$", re.MULTILINE)
    wanted = []
    for path in sorted(folder.glob("[0-9]*.md")):
        found = re.match(r"# (\d{4}) (.+)\n+\*\S+, (.+?)\*", path.read_text(encoding="utf-8"))
        assert found, f"{path.name} does not begin as 0000-template.md has it"
        wanted.append((found[1], path.name, found[2], found[3]))
    assert row.findall((folder / "README.md").read_text(encoding="utf-8")) == wanted[1:]
