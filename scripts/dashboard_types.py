"""Write the TypeScript types of the REST API's replies, for the type check of the dashboard's scripts.

`python -m scripts.dashboard_types --write services/samfleet_api/dashboard/types/api.d.ts`
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from samfleet_api.comparisons.image_schemas import AnnotationComparison, ImageComparison
from samfleet_api.comparisons.schemas import ComparedImage, Comparison
from samfleet_api.datasets.places import DatasetSources
from samfleet_api.datasets.schemas import AddedByHash, Dataset, ImageHash
from samfleet_api.estimates.schemas import JobEstimate
from samfleet_api.exports.schemas import Export, ExportEstimate, ExportFormats
from samfleet_api.jobs.bulk_schemas import ActedOnJobs, JobCount
from samfleet_api.jobs.failure_schemas import FailureGroups
from samfleet_api.jobs.history_schemas import JobChange
from samfleet_api.jobs.log_schemas import LogLine
from samfleet_api.jobs.schemas import Job
from samfleet_api.jobs.throughput_schemas import JobThroughput
from samfleet_api.pagination import Page
from samfleet_api.pools.views import Pools
from samfleet_api.problems import Problem
from samfleet_api.reports.advice_schemas import Advice
from samfleet_api.reports.schemas import Report, StageList
from samfleet_api.reports.survey import Survey
from samfleet_api.reviews.schemas import ImageReview, ImageToReview, JobReview, RunReviewProgress
from samfleet_api.runs.annotation_schemas import ImageAnnotations
from samfleet_api.runs.image_schemas import ImageOfRun, RunImage
from samfleet_api.runs.neighbours import Neighbours
from samfleet_api.sessions.endpoints import SessionView
from samfleet_api.storage.schemas import JobStorage, Storage
from samfleet_api.variants.schemas import Variants, WeightPull
from samfleet_api.webhooks.schemas import Delivery, Webhook

MODELS: tuple[type[BaseModel], ...] = (
    AddedByHash,
    ActedOnJobs,
    Advice,
    AnnotationComparison,
    DatasetSources,
    ImageHash,
    ExportEstimate,
    ExportFormats,
    FailureGroups,
    ImageAnnotations,
    ImageComparison,
    ImageReview,
    ImageToReview,
    Job,
    JobEstimate,
    JobCount,
    JobReview,
    JobStorage,
    JobThroughput,
    Neighbours,
    Page[Dataset],
    Page[ComparedImage],
    Page[Comparison],
    Page[ImageOfRun],
    Page[Delivery],
    Page[Export],
    Page[Job],
    Page[JobChange],
    Page[LogLine],
    Page[Webhook],
    Pools,
    Problem,
    Report,
    RunImage,
    RunReviewProgress,
    SessionView,
    StageList,
    Storage,
    Survey,
    Variants,
    WeightPull,
)
# Fields that pydantic knows as plain dictionaries. types/replies.d.ts defines these types by hand.
UNTYPED: Mapping[str, str] = {
    "AnnotatedObject.segmentation": "RunLengths",
    "Job.task": "Task",
    "Report.parameters": "Record<string, Parameters>",
    "Report.rows": "ReportRow[]",
    "RunImage.masks": "Mask[]",
    "TableView.parameters": "Record<string, Parameters>",
    "TableView.rows": "SurveyRow[]",
    "Worker.detail": "WorkerDetail",
}
NAMES: Mapping[str, str] = {
    "boolean": "boolean",
    "integer": "number",
    "null": "null",
    "number": "number",
    "string": "string",
}
HEADER = "// Written by `make generated` from the models of the REST API; edit those.\n\n"


def declarations() -> str:
    """Return the content of the file: one type for each model and enumeration, in one global namespace."""
    _, schema = models_json_schema([(model, "serialization") for model in MODELS], ref_template="#/{model}")
    fields = {f"{name}.{field}" for name, one in schema["$defs"].items() for field in one.get("properties", ())}
    if missing := UNTYPED.keys() - fields:
        raise ValueError(f"UNTYPED names fields that no model has: {', '.join(sorted(missing))}")
    named = {_name(name): definition for name, definition in schema["$defs"].items()}
    body = "\n".join(_declaration(name, definition) for name, definition in sorted(named.items()))
    return f"{HEADER}declare namespace Api {{\n{body}}}\n"


def _name(name: str) -> str:
    """Return `JobPage` for pydantic's `Page_Job_`, and other names as they are."""
    return f"{name[5:-1]}Page" if name.startswith("Page_") else name


def _declaration(name: str, schema: dict[str, Any]) -> str:
    if schema.get("type") != "object":
        return f"  type {name} = {_type(schema)};\n"
    required = set(schema.get("required", []))
    fields = [
        f"    {field}{'' if field in required else '?'}: {UNTYPED.get(f'{name}.{field}') or _type(one)};\n"
        for field, one in schema["properties"].items()
    ]
    return f"  interface {name} {{\n{''.join(fields)}  }}\n"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _name(str(schema["$ref"]).rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(_type(member) for member in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if schema.get("type") == "array":
        item = _type(schema["items"])
        return f"({item})[]" if " | " in item else f"{item}[]"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"Record<string, {_type(values) if isinstance(values, dict) else 'unknown'}>"
    return NAMES.get(schema.get("type", ""), "unknown")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write the TypeScript types of the API's replies.")
    parser.add_argument("--write", type=Path, required=True, metavar="FILE")
    parser.parse_args(arguments).write.write_text(declarations())


if __name__ == "__main__":
    main()
