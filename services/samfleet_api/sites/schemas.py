from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_SITE: dict[str, Any] = {
    "name": "h200-lab",
    "fingerprint": "5f0c0a529b0e4a718d5a0d2f6f0a1c11",
    "exported_at": "2026-11-22T12:00:00Z",
    "imported_at": "2026-11-22T12:30:00Z",
    "runs": 12,
}


class ThisSite(BaseModel):
    name: str | None = Field(description="Null if `SAMFLEET_SITE` is not set; export is not possible then.")
    fingerprint: str | None = Field(description="Fingerprint of the key that signs exports; null before it is created.")


class Site(BaseModel):
    """Another samfleet installation whose measurements were imported."""

    name: str
    fingerprint: str
    exported_at: datetime = Field(description="Export time of the newest imported file, by the site's clock.")
    imported_at: datetime
    runs: int


class Sites(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"this": {"name": "laptop", "fingerprint": "0d2f6f0a1c115f0c0a529b0e4a718d5a"}, "items": [_SITE]}
            ]
        }
    )

    this: ThisSite
    items: list[Site]


class Imported(BaseModel):
    """Result of an import: numbers of runs."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "site": _SITE["name"],
                    "fingerprint": _SITE["fingerprint"],
                    "exported_at": _SITE["exported_at"],
                    "added": 12,
                    "replaced": 0,
                    "unchanged": 0,
                }
            ]
        },
    )

    site: str
    fingerprint: str
    exported_at: datetime
    added: int
    replaced: int
    unchanged: int = Field(description="Runs already imported from this export or a later one.")


IMPORT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                },
                "examples": {"an export": {"value": {"file": "h200-lab.jsonl.gz"}}},
            }
        },
    }
}
