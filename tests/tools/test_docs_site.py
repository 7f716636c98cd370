"""The documentation as a site: built by `make docs`, complete, and without anything from another host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MKDOCS = ROOT / ".venv/docs/bin/mkdocs"
TEXTS = ["docs", "examples", "mkdocs.yml", "LICENSE"]
TEXTS += [f"{name}.md" for name in ("README", "CONTRIBUTING", "CODE_OF_CONDUCT", "CHANGELOG", "SECURITY")]
FOREIGN = re.compile(r"<(?:script|img|iframe|link)[^>]+(?:src|href)=\"https?://[^>]*>")

pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(not MKDOCS.exists(), reason="the generator is not installed; make docs installs it"),
]


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [str(MKDOCS), "build", "--strict", "--site-dir", str(site)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        command, cwd=source, env=environment, capture_output=True, text=True, check=False, timeout=240
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_document_is_a_page(site: Path) -> None:
    for document in (ROOT / "docs").rglob("*.md"):
        page = document.relative_to(ROOT / "docs").with_suffix(".html")
        assert (site / page.with_name(page.name.replace("README", "index"))).is_file(), document


def test_documents_outside_the_folder_are_pages_too(site: Path) -> None:
    assert "make demo" in (site / "repository/index.html").read_text()
    assert 'href="../api.html"' in (site / "repository/index.html").read_text()
    assert "repository/CONTRIBUTING.html" in (site / "index.html").read_text()


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not FOREIGN.findall(page.read_text()), page
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(\s*[\"']?https?:|@import", style.read_text()), style


@pytest.mark.parametrize("link", ["gone.md", "../GONE.md", "api.md#no-such-heading"])
def test_a_broken_link_fails_the_build(tmp_path: Path, link: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in TEXTS:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    (source / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/docs_hooks.py", source / "scripts")
    with (source / "docs/glossary.md").open("a") as page:
        page.write(f"\n[a link]({link})\n")
    done = build(source, tmp_path / "site")
    assert done.returncode == 1
    assert link.removeprefix("../").removeprefix("api.md") in done.stderr
