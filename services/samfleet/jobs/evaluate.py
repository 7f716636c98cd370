"""Evaluation of a run after all its images are recorded. If it fails, the run keeps its results."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset
from samfleet.db.session import read_only
from samfleet.errors import InvalidInput, SamfleetError, describe
from samfleet.logging import get_logger
from samfleet.quality.measures import Measures, require_masks
from samfleet.quality.protocol import Figure
from samfleet.quality.repository import all_checked, annotations_of, checked_of, stated_sizes_of
from samfleet.quality.run_evaluation import Readers, evaluate_run

log = get_logger(__name__)
T = TypeVar("T")


class AnnotationsFederated(InvalidInput):
    """Not every image is annotated with every category, so COCO's AP does not apply; LVIS's needs neg_category_ids and
    not_exhaustive_category_ids of every image, and is left out without them.
    """

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
        checked = all_checked(session, dataset)
    try:
        require_masks(dataset.box_annotation_count, dataset.annotation_count, "the evaluation")
        measures = Measures.of(task, dataset.categories or [], checked=checked)
        figures = evaluate_run(rows, _readers(engine, dataset_id), measures)
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


def _readers(engine: Engine, dataset_id: uuid.UUID) -> Readers:
    def by_image(query: Callable[[Session, uuid.UUID, Collection[int]], T]) -> Callable[[Sequence[int]], T]:
        def read(image_ids: Sequence[int]) -> T:
            with read_only(engine) as session:
                return query(session, dataset_id, image_ids)

        return read

    return Readers(by_image(annotations_of), by_image(stated_sizes_of), by_image(checked_of))
