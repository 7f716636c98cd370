"""The images are built from locks with hashes, and labelled; the locks are current and fit constraints.txt."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from fixtures.servers.compose_files import DOCKERFILES, ROOT, SERVICES
from scripts.locks import FOLDER, LOCKS, Lock, inputs_digest

LABELS = {"title", "description", "version", "revision", "source", "licenses"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENTRY = re.compile(r"^([\w.-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def _versions(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_has_the_labels_of_the_oci(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', text))
    assert set(labels) == LABELS
    assert (labels["version"], labels["revision"], labels["source"]) == ("$VERSION", "$REVISION", "$SOURCE")
    assert labels["licenses"] == PROJECT["license"]
    last = text.rpartition("\nFROM ")[2]  # labels and arguments of an earlier stage do not reach the image
    assert f"ARG VERSION={PROJECT['version']}\n" in last
    assert all(f'ARG {name}=""\n' in last and f'"${name}"' in last for name in ("REVISION", "SOURCE"))


def test_every_build_gets_the_commit_for_its_labels() -> None:
    for name, service in SERVICES.items():
        if "build" in service:
            arguments = service["build"]["args"]
            assert arguments["REVISION"] == "${IMAGE_REVISION:-}", name
            assert arguments["SOURCE"] == "${IMAGE_SOURCE:-}", name


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_packages_of_an_image_have_hashes_or_are_pinned(path: Path) -> None:
    text = re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8"))
    installs = re.findall(r"pip (?:--python \S+ )?install ([^&;]*)", text)
    assert len(installs) >= 3
    for options in installs:
        locked = "--require-hashes --no-deps" in options
        ours = options.split()[-1] == "/wheels/samfleet-*.whl" and "--no-deps" in options
        torch = (
            '--no-deps --index-url "$TORCH_INDEX_URL" torch==2.13.0' in options
        )  # ADR 69: its hashes are not on PyPI
        assert locked or ours or torch, options
    for name in re.findall(r"(?:deploy/locks|/wheels)/([\w-]+)\.txt", text):
        assert (FOLDER / f"{name}.txt").exists(), name
    assert "--no-build-isolation" in text
    assert text.count("ARG SOURCE_DATE_EPOCH=") >= 1


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_is_current_and_complete(lock: Lock) -> None:
    text = lock.path.read_text(encoding="utf-8")
    assert text.startswith(f"# Made by `make locks` from {inputs_digest(lock)}\n"), "run make locks"
    entries = ENTRY.findall(text)
    assert len(entries) == len(_versions(text)) > 0, "a package without a hash"
    assert "".join(f"{name}=={version} \\\n{hashes}" for name, version, hashes in entries) == text.partition("\n")[2]


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock.extras], ids=lambda lock: lock.name)
def test_versions_are_those_of_the_tests(lock: Lock) -> None:
    tested = _versions((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    tested = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in tested.items()}
    other = {
        name: version
        for name, version in _versions(lock.path.read_text(encoding="utf-8")).items()
        if tested.get(name, version) != version
    }
    assert set(other) <= set(lock.free), other


def test_every_lock_belongs_to_a_definition() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {lock.path.name for lock in LOCKS}
    assert "torch" not in _versions((FOLDER / "triton-cpu.txt").read_text(encoding="utf-8"))
    assert _versions((FOLDER / "triton-gpu.txt").read_text(encoding="utf-8"))["torch"] == "2.13.0"
