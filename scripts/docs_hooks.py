"""Hooks of mkdocs: take files outside docs/ that pages link to into the site, below `repository/`.

The links in the documents stay as GitHub needs them. A target that exists is copied, as a page if it is Markdown, and
the link is rewritten. A folder has no page: its README takes its place, or the link becomes plain text. A target that
does not exist keeps its link, which mkdocs reports and `--strict` turns into an error.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OUTSIDE = "repository"
FENCED = re.compile(r"(^```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[(?P<text>[^\[\]]*)\]\((?P<path>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")


def _prose(markdown: str, change: Callable[[str], str]) -> str:
    """Apply `change` to everything but fenced code."""
    return "".join(part if part.startswith("```") else change(part) for part in FENCED.split(markdown))


def _targets(document: Path) -> Iterator[Path]:
    for part in FENCED.split(document.read_text(encoding="utf-8")):
        if not part.startswith("```"):
            for found in LINK.finditer(part):
                yield (document.parent / found["path"]).resolve()


def _readme_of(path: Path) -> Path:
    return path / "README.md" if path.is_dir() else path


def _source_uri(path: Path) -> str:
    """Return the path of a file inside the site's sources."""
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    return f"{OUTSIDE}/{path.relative_to(ROOT).as_posix()}"


def on_files(files: Files, config: Any) -> Files:
    """Add every file outside docs/ that a page links to, and what these pages link to in turn."""
    waiting = [Path(file.abs_src_path) for file in files.documentation_pages() if file.abs_src_path]
    seen = set(waiting)
    while waiting:
        for target in map(_readme_of, _targets(waiting.pop())):
            if target in seen or not target.is_file() or not target.is_relative_to(ROOT):
                continue
            seen.add(target)
            if target.is_relative_to(DOCS):
                continue
            file = File.generated(config, _source_uri(target), abs_src_path=str(target))
            file.inclusion = InclusionLevel.NOT_IN_NAV  # names that start with a dot are left out otherwise
            files.append(file)
            if target.suffix == ".md":
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Any, **_others: Any) -> str:
    """Rewrite links from docs/ to the outside, and all links of pages from outside."""
    source = Path(page.file.abs_src_path)
    here = posixpath.dirname(page.file.src_uri)

    def link(found: re.Match[str]) -> str:
        target = (source.parent / found["path"]).resolve()
        if target.is_dir() and not _readme_of(target).is_file():
            return found["text"]
        target = _readme_of(target)
        if not target.is_file() or not target.is_relative_to(ROOT):
            return found[0]
        path = posixpath.relpath(_source_uri(target), here or ".")
        return f"[{found['text']}]({path}{found['anchor'] or ''})"

    return _prose(markdown, lambda part: LINK.sub(link, part))
