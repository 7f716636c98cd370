from __future__ import annotations

import uuid
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from samfleet.db.models import Deleted
from samfleet_api.storage.repository import LargestUse, TenantUse, Use

_JOB = "0b7f6a3e-6f1d-4e0a-9d53-2c1f5d0a7b11"
_UPLOADS: JsonValue = {"bytes": 81_200_000, "objects": 501, "rows": 4319}
_RESULTS: dict[str, JsonValue] = {"bytes": 6_400_000, "objects": 16, "rows": 500}
_PICTURES: JsonValue = {"bytes": 1_900_000, "objects": 24, "rows": 0}
_EXPORTS: JsonValue = {"bytes": 2_400_000, "objects": 1, "rows": 0}
_ALL: JsonValue = {"bytes": 91_900_000, "objects": 542, "rows": 4819}


class StorageUse(BaseModel):
    """Bytes and number of objects in the store, and rows in the database."""

    bytes: int
    objects: int
    rows: int = Field(
        description="Images, annotations, detections and prompted images of datasets; image results of jobs."
    )

    @classmethod
    def of(cls, *uses: Use) -> Self:
        """Add uses up."""
        return cls(
            bytes=sum(use.bytes for use in uses),
            objects=sum(use.objects for use in uses),
            rows=sum(use.rows for use in uses),
        )


class JobStorage(BaseModel):
    """Storage use of a job. The uploads belong to its dataset."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "total": {"bytes": 10_700_000, "objects": 41, "rows": 500},
                    "results": _RESULTS,
                    "pictures": _PICTURES,
                    "exports": _EXPORTS,
                }
            ]
        }
    )

    total: StorageUse
    results: StorageUse = Field(description="Masks. Downloads of results are made from them and not stored.")
    pictures: StorageUse = Field(description="Small pictures that the dashboard has shown.")
    exports: StorageUse = Field(description="Files of exports.")

    @classmethod
    def of(cls, use: TenantUse) -> Self:
        return cls(
            total=StorageUse.of(use.results, use.pictures, use.exports),
            results=StorageUse.of(use.results),
            pictures=StorageUse.of(use.pictures),
            exports=StorageUse.of(use.exports),
        )


class TenantStorage(BaseModel):
    """Storage use of a tenant."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tenant": "robotics",
                    "total": _ALL,
                    "uploads": _UPLOADS,
                    "results": _RESULTS,
                    "pictures": _PICTURES,
                    "exports": _EXPORTS,
                }
            ]
        }
    )

    tenant: str
    total: StorageUse
    uploads: StorageUse = Field(
        description="Images, annotations, detections and prompts; folders of the server are not stored."
    )
    results: StorageUse = Field(description="Masks. Downloads of results are made from them and not stored.")
    pictures: StorageUse = Field(description="Small pictures that the dashboard has shown.")
    exports: StorageUse = Field(description="Files of exports.")

    @classmethod
    def of(cls, tenant: str, use: TenantUse) -> Self:
        return cls(
            tenant=tenant,
            total=StorageUse.of(use.uploads, use.results, use.pictures, use.exports),
            uploads=StorageUse.of(use.uploads),
            results=StorageUse.of(use.results),
            pictures=StorageUse.of(use.pictures),
            exports=StorageUse.of(use.exports),
        )


class LargestItem(StorageUse):
    """A job or dataset. The bytes of a job are those of its results."""

    kind: Deleted
    id: uuid.UUID
    name: str | None

    @classmethod
    def of_item(cls, item: LargestUse) -> Self:
        return cls(kind=item.kind, id=item.id, name=item.name, **item.use._asdict())


class Storage(TenantStorage):
    """Storage use of the caller's tenant."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tenant": "robotics",
                    "total": _ALL,
                    "uploads": _UPLOADS,
                    "results": _RESULTS,
                    "pictures": _PICTURES,
                    "exports": _EXPORTS,
                    "largest": [{**_RESULTS, "kind": "job", "id": _JOB, "name": "boxes of val2017"}],
                }
            ]
        }
    )

    largest: list[LargestItem] = Field(description="The jobs and datasets with the most bytes, largest first.")
