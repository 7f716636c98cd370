"""The header of a backup: what this release restores, and what it refuses."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from samfleet.db.migrate import SchemaUnknown, alembic_config
from samfleet_cli.backups.archive import Member
from samfleet_cli.backups.errors import BackupTooNew, NotABackup
from samfleet_cli.backups.header import FORMAT, NAME, BackupHeader, read_header


def head() -> str:
    return str(ScriptDirectory.from_config(alembic_config("")).get_current_head())


HEADER = BackupHeader(FORMAT, "0.1.0", head(), "2026-11-30T04:00:00+00:00", 3)


def members(data: bytes, name: str = NAME) -> Iterator[Member]:
    yield Member(name, len(data), io.BytesIO(data))


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(HEADER.to_bytes()), **fields}).encode()


def test_a_header_is_read_as_it_was_written() -> None:
    assert read_header(members(HEADER.to_bytes())) == HEADER


def test_an_older_schema_is_known() -> None:
    first = ScriptDirectory.from_config(alembic_config("")).get_base()
    assert read_header(members(replace(HEADER, schema=str(first)).to_bytes())).schema == first


def test_a_later_format_names_the_release_that_wrote_it() -> None:
    with pytest.raises(BackupTooNew, match=r"format 2, .* samfleet 9\.9"):
        read_header(members(changed(format=FORMAT + 1, samfleet="9.9")))


def test_an_unknown_schema_is_refused() -> None:
    with pytest.raises(SchemaUnknown, match="feedfacecafe"):
        read_header(members(changed(schema="feedfacecafe")))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format": "new"}', b"\xff"])
def test_other_content_is_no_backup(data: bytes) -> None:
    with pytest.raises(NotABackup):
        read_header(members(data))


def test_another_first_member_is_no_backup() -> None:
    with pytest.raises(NotABackup, match="does not begin"):
        read_header(members(HEADER.to_bytes(), "photo.png"))
