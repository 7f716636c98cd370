"""SQL of manifests: the lines go to a temporary table, where PostgreSQL finds duplicates without memory of ours."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlalchemy.orm import Session

from samfleet.datasets.copying import copy_tuples
from samfleet.datasets.manifests.images import ManifestImage

UNIQUE = ("file_name", "external_id")
_TABLE = text(
    "CREATE TEMPORARY TABLE manifest_lines (line bigint, file_name text, external_id text, metadata jsonb, uri text, "
    "size_bytes bigint, modified_ns bigint, changed_ns bigint, coordinates text, prompt_count integer, objects jsonb) "
    "ON COMMIT DROP"
)
_COPY = (
    "COPY manifest_lines (line, file_name, external_id, metadata, uri, size_bytes, modified_ns, changed_ns, "
    "coordinates, prompt_count, objects) FROM STDIN"
)
_REPEATED = """
SELECT value, first, line FROM (
    SELECT {column} AS value, line, lag(line) OVER (PARTITION BY {column} COLLATE "C" ORDER BY line) AS first
    FROM manifest_lines WHERE {column} IS NOT NULL
) AS lines WHERE first IS NOT NULL ORDER BY line LIMIT 1
"""
_INSERT = text(  # frames of a file have its line, and names in their order
    "INSERT INTO dataset_images (dataset_id, position, image_id, "
    "file_name, external_id, metadata, uri, size_bytes, modified_ns, changed_ns) "
    "SELECT :dataset_id, row_number() OVER placed - 1, row_number() OVER placed, "
    "file_name, external_id, metadata, uri, size_bytes, modified_ns, changed_ns FROM manifest_lines "
    'WINDOW placed AS (ORDER BY line, file_name COLLATE "C") ORDER BY line, file_name COLLATE "C"'
)
_INSERT_PROMPTS = text(
    "INSERT INTO dataset_prompts (dataset_id, image_id, coordinates, prompt_count, objects) "
    "SELECT :dataset_id, number, coordinates, prompt_count, objects FROM "
    '(SELECT row_number() OVER (ORDER BY line, file_name COLLATE "C") AS number, '
    "coordinates, prompt_count, objects FROM manifest_lines) "
    "AS numbered WHERE objects IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Repeated:
    """A value that two lines have."""

    column: str
    value: str
    first: int
    line: int


def copy_lines(session: Session, images: Iterable[ManifestImage]) -> None:
    """Write the lines to a temporary table of this transaction."""
    session.execute(_TABLE)
    copy_tuples(session, _COPY, map(_columns, images))


def _columns(image: ManifestImage) -> tuple[Any, ...]:
    metadata = None if image.metadata is None else Jsonb(image.metadata)
    modified, changed = image.times or (None, None)
    row = image.prompts_row
    prompts = (None, None, None) if row is None else (row.coordinates, row.prompt_count, Jsonb(row.objects))
    stated = (image.line, image.file_name, image.external_id, metadata, image.uri, image.size_bytes)
    return *stated, modified, changed, *prompts


def find_repeated(session: Session) -> Repeated | None:
    """Return the first line that has the file name or the id of an earlier one."""
    for column in UNIQUE:
        row = session.execute(text(_REPEATED.format(column=column))).one_or_none()
        if row is not None:
            return Repeated(column, row.value, row.first, row.line)
    return None


def insert_images(session: Session, dataset_id: uuid.UUID) -> None:
    """Make the lines the images of the dataset, in their order, with ids from 1, and their prompts its prompts."""
    session.execute(_INSERT, {"dataset_id": dataset_id})
    session.execute(_INSERT_PROMPTS, {"dataset_id": dataset_id})
