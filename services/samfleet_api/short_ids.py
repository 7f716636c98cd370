"""Ids in URLs may be shortened, because people copy them from tables and pages that show eight characters."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Path
from pydantic import AfterValidator
from sqlalchemy import Engine, Select, select

from samfleet.comparisons.errors import ComparisonNotFound
from samfleet.datasets.service import DatasetNotFound
from samfleet.db.models import ApiKey, Comparison, Dataset, Export, Job, Run, WebhookEndpoint
from samfleet.db.session import read_only
from samfleet.errors import InvalidInput, NotFound
from samfleet.exports.errors import ExportNotFound
from samfleet.jobs.cancel import JobNotFound
from samfleet.jobs.export import RunNotFound
from samfleet_api.dependencies import Admin, EngineValue, TenantId
from samfleet_api.keys.service import KeyNotFound
from samfleet_api.webhooks.service import WebhookNotFound

LEAST_CHARACTERS = 6
PATTERN = f"^[0-9a-fA-F]{{{LEAST_CHARACTERS}}}[0-9a-fA-F-]{{0,{36 - LEAST_CHARACTERS}}}$"
DESCRIPTION = f"The full id, or at least its first {LEAST_CHARACTERS} characters if they are unique."
_DIGITS = 32


class IdAmbiguous(InvalidInput):
    """Several ids start with these characters; give more of them."""

    code = "id_ambiguous"


def _check(text: str) -> str:
    if re.match(PATTERN, text) is None:
        raise ValueError(f"not an id; give the full id, or at least its first {LEAST_CHARACTERS} characters")
    return text.lower()


IdText = Annotated[str, AfterValidator(_check)]
IdInPath = Annotated[IdText, Path(description=DESCRIPTION, json_schema_extra={"pattern": PATTERN})]


def whole_id(engine: Engine, text: str, ids: Select[Any], not_found: type[NotFound], listed_by: str) -> uuid.UUID:
    """Return the only id of `ids` that starts with `text`. A full id is returned without a look-up: its user reads the
    row anyway.
    """
    digits = text.replace("-", "")
    if len(digits) == _DIGITS:
        return uuid.UUID(digits)
    (column,) = ids.selected_columns
    found: Sequence[uuid.UUID] = []
    if len(digits) < _DIGITS:
        first, last = (uuid.UUID(digits.ljust(_DIGITS, end)) for end in "0f")
        with read_only(engine) as session:
            found = session.scalars(ids.where(column.between(first, last)).order_by(column).limit(2)).all()
    if not found:
        raise not_found(f"no id starts with {text}; {listed_by} lists yours")
    if len(found) > 1:
        raise IdAmbiguous(f"{found[0]} and others start with {text}; give more characters")
    return found[0]


def whole_job_id(engine: Engine, tenant_id: uuid.UUID, text: str) -> uuid.UUID:
    """Expand the id of one of the tenant's jobs."""
    ids = select(Job.id).where(Job.tenant_id == tenant_id, Job.deleted_at.is_(None))
    return whole_id(engine, text, ids, JobNotFound, "GET /v1/jobs")


def whole_run_id(engine: Engine, tenant_id: uuid.UUID, text: str) -> uuid.UUID:
    """Expand the id of one of the tenant's runs."""
    ids = select(Run.id).join(Job, Job.id == Run.job_id).where(Job.tenant_id == tenant_id, Job.deleted_at.is_(None))
    return whole_id(engine, text, ids, RunNotFound, "GET /v1/jobs/{id}")


def _job_id(job_id: IdInPath, tenant_id: TenantId, engine: EngineValue) -> uuid.UUID:
    return whole_job_id(engine, tenant_id, job_id)


def _run_id(run_id: IdInPath, tenant_id: TenantId, engine: EngineValue) -> uuid.UUID:
    return whole_run_id(engine, tenant_id, run_id)


def _export_id(export_id: IdInPath, tenant_id: TenantId, engine: EngineValue) -> uuid.UUID:
    ids = select(Export.id).join(Run, Run.id == Export.run_id).join(Job, Job.id == Run.job_id)
    ids = ids.where(Job.tenant_id == tenant_id, Job.deleted_at.is_(None))
    return whole_id(engine, export_id, ids, ExportNotFound, "GET /v1/runs/{id}/exports")


def _comparison_id(comparison_id: IdInPath, tenant_id: TenantId, engine: EngineValue) -> uuid.UUID:
    ids = select(Comparison.id).where(Comparison.tenant_id == tenant_id)
    return whole_id(engine, comparison_id, ids, ComparisonNotFound, "GET /v1/comparisons")


def _dataset_id(dataset_id: IdInPath, tenant_id: TenantId, engine: EngineValue) -> uuid.UUID:
    ids = select(Dataset.id).where(Dataset.tenant_id == tenant_id, Dataset.deleted_at.is_(None))
    return whole_id(engine, dataset_id, ids, DatasetNotFound, "GET /v1/datasets")


def _key_id(key_id: IdInPath, _admin: Admin, engine: EngineValue) -> uuid.UUID:
    return whole_id(engine, key_id, select(ApiKey.id), KeyNotFound, "GET /v1/keys")


def _webhook_id(webhook_id: IdInPath, tenant_id: TenantId, engine: EngineValue) -> uuid.UUID:
    ids = select(WebhookEndpoint.id).where(WebhookEndpoint.tenant_id == tenant_id)
    return whole_id(engine, webhook_id, ids, WebhookNotFound, "GET /v1/webhooks")


JobId = Annotated[uuid.UUID, Depends(_job_id)]
RunId = Annotated[uuid.UUID, Depends(_run_id)]
ExportId = Annotated[uuid.UUID, Depends(_export_id)]
ComparisonId = Annotated[uuid.UUID, Depends(_comparison_id)]
DatasetId = Annotated[uuid.UUID, Depends(_dataset_id)]
KeyId = Annotated[uuid.UUID, Depends(_key_id)]
WebhookId = Annotated[uuid.UUID, Depends(_webhook_id)]
