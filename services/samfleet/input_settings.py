"""Settings of what datasets and jobs may contain, a part of `samfleet.config.Settings`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings

from samfleet.limits import MAX_PROMPTS_PER_IMAGE, MAX_PROMPTS_PER_JOB
from samfleet.setting_values import parse_seconds


class InputSettings(BaseSettings):
    max_image_bytes: int = Field(
        default=64 * 2**20, ge=1, description="Largest image file; a 100-megapixel JPEG takes about 50 MiB."
    )
    max_pixels: int = Field(
        default=100_000_000, ge=1, description="Largest width x height, checked before anything is decoded."
    )
    max_tiled_pixels: int = Field(
        default=1_000_000_000,
        ge=1,
        description="Largest width x height of a TIFF that a tiled job reads by window; it is never decoded whole.",
    )
    max_annotations_bytes: int = Field(
        default=2 * 2**30,
        ge=1,
        description="Largest annotations, detections or manifest file; the LVIS training set takes 1.1 GiB.",
    )
    max_annotations: int = Field(
        default=10_000_000,
        ge=1,
        description="Maximum entries of an annotations or detections file; LVIS has 1.3 million.",
    )
    max_objects_per_image: int = Field(
        default=10_000, ge=1, description="Maximum annotations, or detections, of one image; a hundred are many."
    )
    max_annotation_bytes_per_image: int = Field(
        default=4 * 2**20,
        ge=1,
        description="Maximum bytes of segmentations of one image, 8 a number and 1 a character; LVIS has 45 kB.",
    )
    max_dataset_images: int = Field(
        default=1_000_000, ge=1, description="Maximum images of a dataset; listing a million takes half a minute."
    )
    max_dataset_bytes: int = Field(
        default=2**40, ge=1, description="Largest sum of the files uploaded into one dataset: a million of 1 MiB."
    )
    max_listing_depth: int = Field(
        default=32, ge=0, le=500, description="Deepest folder of a dataset below the one that is listed."
    )
    max_listing_entries: int = Field(
        default=2_000_000, ge=1, description="Maximum files and folders that a listing looks at, images or not."
    )
    listing_time: Annotated[timedelta, BeforeValidator(parse_seconds)] = Field(
        default=timedelta(minutes=30), description="Longest listing of a folder; a local disk lists a million in 30 s."
    )
    max_prompts_per_image: int = Field(
        default=MAX_PROMPTS_PER_IMAGE,
        ge=1,
        description="Maximum prompts of one image; 32 x 32 points are 1,024. MobileSAM needs nine minutes for the "
        "default on two slow cores.",
    )
    max_prompts_per_job: int = Field(
        default=MAX_PROMPTS_PER_JOB,
        ge=1,
        description="Maximum prompts of all images and runs of a job; a million images with 4,000 each.",
    )
