"""Sources of datasets that this server allows."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from samfleet.datasets.archives.members import SUFFIXES as ARCHIVE_SUFFIXES
from samfleet.datasets.names import FRAME_SUFFIXES, IMAGE_SUFFIXES
from samfleet.db.models import DatasetSource
from samfleet_api.datasets.schemas import MOST_HASHES
from samfleet_api.dependencies import SettingsValue, current_tenant
from samfleet_api.problems import problems

router = APIRouter(prefix="/v1/dataset-sources", tags=["datasets"], dependencies=[Depends(current_tenant)])


class AllowedSource(BaseModel):
    source: DatasetSource = Field(description="`source` of a request for a dataset.")
    places: list[str] = Field(description="Folders and buckets below which it may be; empty for uploads.")


class UploadLimits(BaseModel):
    """Limits of uploads, which the server checks."""

    max_image_bytes: int
    max_archive_bytes: int
    max_hashes: int = Field(description="Files of one request to `/images/by-hash`.")
    image_suffixes: list[str] = Field(description="Suffixes of files that are images, in lower case.")
    frame_suffixes: list[str] = Field(
        description="Suffixes of files that may have several frames, in lower case. Those that are no images are taken "
        "only by datasets with a choice of frames."
    )
    archive_suffixes: dict[str, str] = Field(description="Formats of archives by suffix.")


class DatasetSources(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {"source": "upload", "places": []},
                        {"source": "directory", "places": ["/data"]},
                        {"source": "s3", "places": ["s3://photos"]},
                    ],
                    "uploads": {
                        "max_image_bytes": 67108864,
                        "max_archive_bytes": 68719476736,
                        "max_hashes": 1000,
                        "image_suffixes": [".jpg", ".png"],
                        "frame_suffixes": [".mp4", ".png"],
                        "archive_suffixes": {".zip": "zip"},
                    },
                }
            ]
        }
    )

    items: list[AllowedSource]
    uploads: UploadLimits


@router.get("", summary="List allowed sources", operation_id="dataset_list_sources", responses=problems())
def list_sources(settings: SettingsValue) -> DatasetSources:
    """List the sources of datasets that the settings of this server allow, and the limits of uploads."""
    folders = [str(root) for root in settings.dataset_roots]
    buckets = [f"s3://{bucket}" for profile in settings.s3_sources.values() for bucket in profile.buckets]
    places = {
        DatasetSource.DIRECTORY: folders,
        DatasetSource.S3: buckets,
        DatasetSource.MANIFEST: folders + buckets,
        DatasetSource.ARCHIVE: folders + buckets,
    }
    allowed = [AllowedSource(source=source, places=where) for source, where in places.items() if where]
    return DatasetSources(
        items=[AllowedSource(source=DatasetSource.UPLOAD, places=[]), *allowed],
        uploads=UploadLimits(
            max_image_bytes=settings.max_image_bytes,
            max_archive_bytes=settings.max_archive_bytes,
            max_hashes=MOST_HASHES,
            image_suffixes=sorted(IMAGE_SUFFIXES),
            frame_suffixes=sorted(FRAME_SUFFIXES),
            archive_suffixes=dict(ARCHIVE_SUFFIXES),
        ),
    )
