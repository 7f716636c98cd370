"""`docs/api.md` has a row for every error code that the shared library and the API can return."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import samfleet
import samfleet_api
from samfleet.errors import SamfleetError
from samfleet_api.error_handlers import ROUTING_CODE, ROUTING_CODES

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api.md"
CLIENT_DOCUMENT = DOCUMENT.with_name("client.md")
PACKAGES = ("samfleet.", "samfleet_api.")
CLIENT = "samfleet.client."  # its own errors are in docs/client.md


def errors(root: type[SamfleetError]) -> Iterator[type[SamfleetError]]:
    yield root
    for error in root.__subclasses__():
        yield from errors(error)


def wanted_rows() -> list[str]:
    for package in (samfleet, samfleet_api):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    ours = {error for error in errors(SamfleetError) if _is_of_a_server(error.__module__)}
    rows = [f"| `{error.code}` | {error.status_code} | {' '.join(error().message.split())} |" for error in ours]
    rows += [f"| `{ROUTING_CODES[404]}` | 404 | There is no such route. |"]
    rows += [f"| `{ROUTING_CODES[405]}` | 405 | The route does not take this method; `Allow` says which it takes. |"]
    rows += [f"| `{ROUTING_CODE}` | 400 to 599 | Another refusal of the HTTP layer; `title` says which. |"]
    return sorted(rows)


def _is_of_a_server(module: str) -> bool:
    return module.startswith(PACKAGES) and not module.startswith(CLIENT)


def test_every_error_code_is_documented() -> None:
    errors_alone = DOCUMENT.read_text().partition("## Errors")[2].partition("### Files that fail")[0]
    rows = [line for line in errors_alone.splitlines() if line.startswith("| `")]
    wanted = wanted_rows()
    assert rows == wanted, "docs/api.md should have these rows:\n" + "\n".join(wanted)


def test_every_error_of_the_client_is_documented() -> None:
    wanted_rows()  # imports every module
    ours = {error for error in errors(SamfleetError) if error.__module__.startswith(CLIENT)}
    wanted = sorted(f"| `{error.__name__}` | `{error.code}` | {cleandoc(error.__doc__ or '')} |" for error in ours)
    rows = CLIENT_DOCUMENT.read_text().partition("### Errors")[2].splitlines()
    missing = [row for row in wanted if row not in rows]
    assert not missing, "docs/client.md should have these rows:\n" + "\n".join(wanted)
