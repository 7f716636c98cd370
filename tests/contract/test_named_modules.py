"""Modules, folders and files that the documents name exist, so that moving one cannot leave a stale name behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (ROOT / "services", ROOT / "worker", ROOT / "triton_models", ROOT)
DOTTED = re.compile(r"`(?:python3? -m )?((?:samfleet(?:_\w+)?|benchmarks|scripts)(?:\.\w+)+)`?")
PATHS = re.compile(r"`((?:services|worker|triton_models|tests|migrations|deploy|benchmarks|docs)/[\w./-]+)`")
FOLDERS = re.compile(r"\b([a-z_]+)/(?:([a-z_]+)\b(?!/))?")


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def resolves(name: str) -> bool:
    """True for a module, or for a name that its module contains."""
    parts = name.split(".")
    for source in SOURCES:
        for length in range(len(parts), 0, -1):
            place = source.joinpath(*parts[:length])
            module = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
            if module.is_file():
                rest = parts[length:]
                return not rest or re.search(rf"\b{rest[0]}\b", module.read_text("utf-8")) is not None
    return False


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_files_that_a_document_names_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    stale = [name for name in DOTTED.findall(text) if not resolves(name)]
    stale += [path for path in PATHS.findall(text) if not (ROOT / path.rstrip("/.")).exists()]
    assert stale == []


def test_the_picture_of_a_batch_names_folders_of_the_model_code() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    picture = text.split("One batch of requests through the backend", 1)[1].split("```")[1]
    named = FOLDERS.findall(picture)
    folder = ROOT / "triton_models" / "samfleet_models"
    assert {"serving", "images", "networks", "mask_generation", "batching", "decoder", "postprocess"} <= dict(
        named
    ).keys()
    for room, module in named:
        assert (folder / room).is_dir()
        assert not module or (folder / room / f"{module}.py").is_file()


def test_a_stale_name_would_be_noticed() -> None:
    assert resolves("samfleet_models.ops.nms")
    assert resolves("samfleet_models.ops.nms.BLOCK")
    assert not resolves("samfleet_models.nms")
    assert not resolves("samfleet_models.ops.nms.no_such_name")
