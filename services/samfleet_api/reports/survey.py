from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from samfleet.datasets.service import DatasetNotFound
from samfleet.jobs.cancel import JobNotFound
from samfleet.reports.query import Dimension, ReportInvalid
from samfleet.survey.report import survey_tables
from samfleet.survey.samples import SurveySampleInvalid, dataset_labels, read_samples
from samfleet.survey.tables import SurveyTable
from samfleet.variants.catalogue import VariantNotFound
from samfleet.variants.survey_figures import SOURCE
from samfleet_api.dependencies import ReadSessionValue
from samfleet_api.problems import problems
from samfleet_api.reports.parameters import MAX_VALUES, WholeQueryValue
from samfleet_api.schemas import StorableText

router = APIRouter(prefix="/v1/reports", tags=["reports"])
Cells = dict[str, str | int | float | bool | None]
_ROW: dict[str, JsonValue] = {
    "variant": "mobile_sam",
    "hardware": "NVIDIA L4",
    "n": 4990,
    "p50_ms": 21.4,
    "published": 30.0,
}


class TableView(BaseModel):
    """A table of the survey: measured rows, and the survey's own figures apart from them."""

    key: str = Field(examples=["one_box"])
    number: int | None = Field(description="Number of the survey's table; null for a table that only samfleet has.")
    title: str
    lead: str = Field(description="What the figures mean.")
    columns: list[str]
    rows: list[Cells]
    parameters: dict[str, JsonValue] = Field(description="Parameters by the digests in the rows' `parameters`.")
    published_columns: list[str]
    published_rows: list[Cells]

    @classmethod
    def of(cls, table: SurveyTable) -> TableView:
        return cls(
            key=table.heading.key,
            number=table.heading.number,
            title=table.heading.title,
            lead=table.heading.lead,
            columns=list(table.measured.columns),
            rows=table.measured.rows,
            parameters=table.measured.parameters,
            published_columns=list(table.published.columns),
            published_rows=table.published.rows,
        )


class Survey(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "source": SOURCE,
                    "tables": [
                        {
                            "key": "one_box",
                            "number": 4,
                            "title": "SegAny: time per image with a single box prompt",
                            "lead": "Median milliseconds inside Triton of images with one box.",
                            "columns": list(_ROW),
                            "rows": [_ROW],
                            "parameters": {},
                            "published_columns": ["variant", "name", "RTX 3090 (ms)"],
                            "published_rows": [{"variant": "mobile_sam", "name": "MobileSAM", "RTX 3090 (ms)": 30.0}],
                        }
                    ],
                }
            ]
        }
    )

    source: str = Field(description="The publication that the published figures are from.")
    tables: list[TableView]


DatasetIds = Annotated[
    list[uuid.UUID], Query(max_length=MAX_VALUES, description="Only these datasets, by id; repeat for several.")
]
Samples = Annotated[
    list[StorableText],
    Query(
        max_length=MAX_VALUES,
        description="What a dataset is a sample of, as ID:NAME: COCO, LVIS, UVO, a set of SGinW such as sginw_cows, "
        "COCO with detections of vitdet, yolov8 or grounding_dino, or LVIS with those of ViTDet, lvis_vitdet. Only "
        "then is its quality compared with published figures. Repeat for several.",
    ),
]


@router.get(
    "/survey",
    summary="The survey's tables",
    operation_id="report_survey",
    responses=problems(ReportInvalid, SurveySampleInvalid, DatasetNotFound, JobNotFound, VariantNotFound),
)
def read_survey(
    query: WholeQueryValue,
    session: ReadSessionValue,
    dataset_id: DatasetIds = [],  # noqa: B006 - FastAPI copies defaults
    sample_of: Samples = [],  # noqa: B006
) -> Survey:
    """Tables 3 to 8 of "On Efficient Variants of Segment Anything Model: A Survey", its data sets LVIS, UVO and SGinW,
    and average recall, over the measurements that pass the filters. Published figures stand beside them and are never
    averaged with them.
    """
    samples = read_samples(session, query.tenant_id, sample_of)
    labels = tuple(dataset_labels(session, query.tenant_id, dataset_id).values())
    filters = {**query.filters, Dimension.DATASET: (*query.filters.get(Dimension.DATASET, ()), *labels)}
    tables = survey_tables(session, replace(query, filters=filters), samples)
    return Survey(source=SOURCE, tables=[TableView.of(table) for table in tables])
