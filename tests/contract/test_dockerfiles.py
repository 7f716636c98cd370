"""Dockerfiles against the files that they copy and the compose file that builds them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from fixtures.servers.compose_files import DOCKERFILES, ROOT, SERVICES


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_files_copied_by_a_dockerfile_exist_and_its_user_is_not_root(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()}
    for line in lines:
        words = shlex.split(line) if line.startswith("COPY ") else []
        if words and not any(word.startswith("--from=") for word in words):
            for source in [word for word in words[1:-1] if not word.startswith("--")]:
                assert (ROOT / source).exists(), source
                assert {source, *map(str, Path(source).parents)} & let_in, f"{source} is kept out by .dockerignore"
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in {"root", "0"}


def test_every_build_has_a_dockerfile() -> None:
    built = {service["build"]["dockerfile"] for service in SERVICES.values() if "build" in service}

    assert built == {str(path.relative_to(ROOT)) for path in DOCKERFILES}
    assert all(service["build"]["context"] == "." for service in SERVICES.values() if "build" in service)
