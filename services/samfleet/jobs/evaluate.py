"""Evaluation of a run after all its images are recorded. If it fails, the run keeps its results."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from samfleet.db.models import Dataset, DatasetAnnotation
from samfleet.db.session import read_only
from samfleet.errors import InvalidInput, SamfleetError, describe
from samfleet.logging import get_logger
from samfleet.quality.measures import Measures, require_masks
from samfleet.quality.protocol import Figure
from samfleet.quality.repository import annotations_of, stated_sizes_of
from samfleet.quality.run_evaluation import evaluate_run

log = get_logger(__name__)


class AnnotationsFederated(InvalidInput):
    """Not every image is annotated with every category, as in LVIS, so COCO's AP does not apply and is left out."""

    code = "annotations_federated"


class EvaluationFailed(SamfleetError):
    """The run could not be evaluated; its results are complete."""

    code = "evaluation_failed"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Figures of an evaluation; `error` says which are missing and why."""

    figures: Sequence[Figure] = ()
    error: SamfleetError | None = None


def evaluate_recorded(
    engine: Engine, dataset_id: uuid.UUID, task: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
) -> Evaluated:
    """Evaluate the rows of a run's parts against the dataset's annotations.

    No transaction is open while `rows` are read. Only retryable errors are raised; others are in the result.
    """
    with read_only(engine) as session:
        dataset = session.get_one(Dataset, dataset_id)
        categories = dataset.categories or []

    def read(image_ids: Sequence[int]) -> Mapping[int, Sequence[DatasetAnnotation]]:
        with read_only(engine) as session:
            return annotations_of(session, dataset_id, image_ids)

    def read_sizes(image_ids: Sequence[int]) -> Mapping[int, tuple[int, int]]:
        with read_only(engine) as session:
            return stated_sizes_of(session, dataset_id, image_ids)

    try:
        require_masks(dataset.box_annotation_count, dataset.annotation_count, "the evaluation")
        measures = Measures.of(task, categories)
        figures = evaluate_run(rows, read, measures, read_sizes)
    except SQLAlchemyError:
        raise
    except SamfleetError as error:
        if error.retryable:
            raise
        log.warning("evaluation.failed", code=error.code, reason=error.message)
        return Evaluated(error=error)
    except Exception as error:  # the run's results matter more than a bug in their evaluation
        log.exception("evaluation.failed")
        return Evaluated(error=EvaluationFailed(f"the run could not be evaluated ({describe(error)})"))
    return Evaluated(figures, AnnotationsFederated() if measures.federated else None)
