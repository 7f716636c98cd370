from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from samfleet.db.models import PullState
from samfleet.db.models import WeightPull as PullRow
from samfleet.licences import restricted_parts
from samfleet.variants.record import VariantRecord
from samfleet_api.runs.schemas import Failure


class Paper(BaseModel):
    title: str
    arxiv: str


class Checkpoint(BaseModel):
    filename: str
    size_bytes: int | None
    sha256: str | None


class PoolWeights(BaseModel):
    """Presence of a variant's weights on a pool."""

    pool: str
    present: bool | None = Field(
        description="True if a server of the pool has the variant loaded or the API's weights folder has its files; "
        "false if that folder lacks them, or, without a folder, if a server failed to load it for that reason within "
        "the last minute; null if nothing is known."
    )


class WeightPull(BaseModel):
    """A pull of a variant's weights into the server's weights folder."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "variant": "mobile_sam",
                    "state": "running",
                    "file": "mobile_sam.pt",
                    "done_bytes": 12582912,
                    "total_bytes": 40728226,
                    "error": None,
                    "requested_at": "2026-11-22T12:00:00Z",
                    "finished_at": None,
                }
            ]
        },
    )

    variant: str
    state: PullState
    file: str | None = Field(description="The file that is transferred; null before the first.")
    done_bytes: int = Field(description="Bytes of this file that were received.")
    total_bytes: int | None = Field(description="Size of this file; null if unknown.")
    error: Failure | None = Field(description="Why the pull failed.")
    requested_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, row: PullRow) -> WeightPull:
        error = Failure(code=row.error_code, message=row.error_message or "") if row.error_code else None
        fields = {name: getattr(row, name) for name in cls.model_fields if name != "error"}
        return cls.model_validate({**fields, "error": error})


class Variant(BaseModel):
    """A model that jobs can name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "mobile_sam",
                    "title": "MobileSAM",
                    "family": "tiny_vit",
                    "input_size": 1024,
                    "parity": "golden",
                    "code_licence": "Apache-2.0",
                    "weights_licence": "Apache-2.0",
                    "licences_to_accept": [],
                    "repository": "https://github.com/ChaoningZhang/MobileSAM",
                    "paper": {"title": "Faster Segment Anything", "arxiv": "2306.14289"},
                    "checkpoint": {"filename": "mobile_sam.pt", "size_bytes": 40728226, "sha256": "6dbb90523a35330f"},
                    "weights_here": True,
                    "weights": [{"pool": "default", "present": True}],
                    "everything": {"kind": "everything", "points_per_side": 32, "pred_iou_thresh": 0.88},
                }
            ]
        }
    )

    name: str
    title: str
    family: str
    input_size: int = Field(description="Side of the network's square input in pixels.")
    parity: Literal["golden", "reference", "keys", "real", "unverified"] = Field(
        description="Verification of the implementation: `golden` (recorded outputs of the official code), "
        "`reference` (outputs of an independent implementation), `keys` (only keys and shapes of the checkpoint), "
        "`real` (its real weights), or `unverified`."
    )
    code_licence: str
    weights_licence: str
    licences_to_accept: list[str] = Field(
        description="Jobs with this variant are rejected until SAMFLEET_ACCEPT_LICENSES names these licences."
    )
    repository: str
    paper: Paper
    checkpoint: Checkpoint
    weights_here: bool | None = Field(
        description="Whether the files are in this API's weights folder; null if it has none."
    )
    weights: list[PoolWeights] = Field(description="Presence of the weights on each pool.")
    everything: dict[str, Any] = Field(description="Default settings of a task `everything`.")

    @classmethod
    def of(
        cls, record: VariantRecord, accepted: Collection[str], here: bool | None, weights: list[PoolWeights]
    ) -> Variant:
        checkpoint = record.checkpoint
        return cls(
            name=record.name,
            title=record.title,
            family=record.family,
            input_size=record.input_size,
            parity=record.parity,
            code_licence=record.code_licence,
            weights_licence=record.weights_licence,
            licences_to_accept=[part for part in restricted_parts(record.weights_licence) if part not in accepted],
            repository=record.repository,
            paper=Paper(title=record.paper.title, arxiv=record.paper.arxiv),
            checkpoint=Checkpoint(
                filename=checkpoint.filename, size_bytes=checkpoint.size_bytes, sha256=checkpoint.sha256
            ),
            weights_here=here,
            weights=weights,
            everything=record.everything.to_dict(),
        )


class Variants(BaseModel):
    items: list[Variant]
