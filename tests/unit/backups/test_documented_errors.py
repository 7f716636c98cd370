"""`docs/backup.md` has a row for every error of the commands."""

from __future__ import annotations

from pathlib import Path

from samfleet.errors import SamfleetError
from samfleet_cli.backups import errors

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "backup.md"


def test_every_error_is_documented() -> None:
    ours = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__]
    rows = [
        f"| `{kind.code}` | {' '.join(kind().message.split())} |" for kind in ours if issubclass(kind, SamfleetError)
    ]
    document = DOCUMENT.read_text().splitlines()
    assert rows
    assert [row for row in rows if row not in document] == []
