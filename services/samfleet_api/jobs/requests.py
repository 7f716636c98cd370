"""Requests for jobs, made of bodies of `POST /v1/jobs` and `POST /v1/job-estimate`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from samfleet.datasets.directory import DatasetEmpty
from samfleet.datasets.service import DatasetNotFound, DatasetNotSealed
from samfleet.exports.errors import ExportFormatUnknown
from samfleet.jobs.cancel import JobNotFound
from samfleet.jobs.job_request import (
    AnnotationsMissing,
    DetectionsMissing,
    JobInvalid,
    JobRequest,
    PoolNotFound,
    PromptsMissing,
    ReuseNotPossible,
)
from samfleet.jobs.rerun import rerun_request
from samfleet.jobs.weights import VariantWithoutWeights
from samfleet.labels import LabelsInvalid
from samfleet.licences import LicenceNotAccepted
from samfleet.variants.catalogue import VariantNotFound
from samfleet.variants.task import TaskInvalid
from samfleet_api.jobs.schemas import SubmitJob
from samfleet_api.problems import PayloadTooLarge

# Errors of a body that names something that the job cannot have.
REFUSED_JOBS = (
    AnnotationsMissing,
    DatasetEmpty,
    DatasetNotFound,
    DatasetNotSealed,
    DetectionsMissing,
    ExportFormatUnknown,
    JobInvalid,
    JobNotFound,
    LabelsInvalid,
    LicenceNotAccepted,
    PayloadTooLarge,
    PoolNotFound,
    PromptsMissing,
    ReuseNotPossible,
    TaskInvalid,
    VariantNotFound,
    VariantWithoutWeights,
)

# Fields of an earlier job that null clears, with their values then.
CLEARED: Mapping[str, Any] = {"name": None, "labels": {}, "notes": None, "keep_days": None, "evaluate": None}


def job_request(
    session: Session, tenant_id: uuid.UUID, body: SubmitJob, idempotency_key: str | None = None
) -> JobRequest:
    """Return the request of a body. With `rerun_of`, fields that it leaves out are those of that job; null clears."""
    named = {name: getattr(body, name) for name in body.model_fields_set - {"rerun_of"}}
    given = {name: value for name, value in named.items() if value is not None} | {"idempotency_key": idempotency_key}
    if "exports" in given:
        given["exports"] = [export.for_job() for export in body.exports]
    if body.rerun_of is None:
        return JobRequest(tenant_id, **given)
    cleared = {name: empty for name, empty in CLEARED.items() if name in named and named[name] is None}
    return rerun_request(session, tenant_id, body.rerun_of, **cleared, **given)
