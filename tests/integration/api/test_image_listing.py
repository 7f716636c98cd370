"""Filters and orders of a run's images: equal to a reference in Python, and read by indexes in a large table."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks.scale.rows import SHARD, analyze, write_dataset, write_job
from fixtures.api.query_plans import explained, indexes, most_rows
from samfleet.db.models import Run, Tenant
from samfleet.db.session import transaction
from samfleet_api.runs import image_listing
from samfleet_api.runs.image_figures import Between, Figure, ImageFilter, ImageOrder, ListedOutcome
from samfleet_api.runs.image_listing import ListedImage, Place, cursor_parts, page_of_images, place_of

LARGE = 200_000
SMALL = 400  # the last shard is not whole, and has no results
LIMIT = 17
# Every figure of a result from its image's position n. Of 7 images one fails, of 5 one has no masks, of 11 one has no
# annotations, and one is reused, so it has no times.
RESULTS = """
INSERT INTO image_results (run_id, dataset_image_id, image_id, shard_id, outcome, error_code, part_key, part_line,
                           mask_count, predicted_iou, fetch_ms, encode_ms, quality_instances, quality_iou_sum,
                           reused_from)
SELECT :run, id, image_id, 1, CASE WHEN fails THEN 'failed' ELSE 'succeeded' END,
       CASE WHEN fails THEN CASE WHEN n % 2 = 0 THEN 'image_truncated' ELSE 'image_missing' END END, 'part', 0,
       CASE WHEN fails THEN 0 ELSE masks END, CASE WHEN NOT fails AND masks > 0 THEN n * 7919 % 1000 / 1000.0 END,
       0.1, CASE WHEN NOT fails THEN n * 104729 % 3001 / 7.0 END,
       CASE WHEN NOT fails AND n % 11 > 0 THEN 3 END,
       CASE WHEN NOT fails AND n % 11 > 0 THEN n * 31 % 997 / 333.0 END,
       CASE WHEN NOT fails AND n % 11 = 0 THEN CAST(:run AS uuid) END
FROM dataset_images
CROSS JOIN LATERAL (SELECT CAST(position AS bigint) AS n, position % 7 = 0 AS fails,
                           position % 5 * (position % 13) AS masks) AS facts
WHERE dataset_id = :dataset AND position < :done
"""


def written_run(engine: Engine, images: int, done: int) -> uuid.UUID:
    with transaction(engine) as session:
        tenant = Tenant(name="many")
        session.add(tenant)
        session.flush()
    dataset_id = write_dataset(engine, tenant.id, images)
    written = write_job(engine, tenant.id, dataset_id, images, done, with_rows=False)
    about = {"run": written.run_id, "dataset": dataset_id, "done": done}
    with transaction(engine) as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))  # no look-up of the run for each row
        session.execute(text(RESULTS), about)
        session.execute(text("UPDATE shards SET failed = (last_position + 7) / 7 - (first_position + 6) / 7"))
    analyze(engine)
    return written.run_id


def every_page(session: Session, run: Run, wanted: ImageFilter, order: ImageOrder) -> list[ListedImage]:
    """Return the images of all pages, each found from the cursor of the page before."""
    images: list[ListedImage] = []
    after: Place | None = None
    while True:
        page, following = page_of_images(session, run, wanted, order=order, after=after, limit=LIMIT)
        assert len(page) <= LIMIT
        images += page
        if following is None:
            return images
        after = place_of(cursor_parts(following, order), order)
        assert after == following


def matches(image: ListedImage, wanted: ImageFilter) -> bool:
    outcome = image.outcome.value if image.outcome else "pending"

    def inside(figure: Figure, between: Between) -> bool:
        value = getattr(image, figure) if figure is not Figure.MASK_COUNT or outcome == "succeeded" else None
        if between == Between():
            return True
        return value is not None and (between.low or 0) <= value <= (1e9 if between.high is None else between.high)

    return (
        (wanted.outcome is None or outcome == wanted.outcome)
        and (wanted.name is None or wanted.name in image.file_name)
        and (wanted.error_code is None or image.error_code == wanted.error_code)
        and all(inside(figure, between) for figure, between in (wanted.figures or {}).items())
    )


def sorted_by(images: list[ListedImage], order: ImageOrder) -> list[ListedImage]:
    figure = order.figure
    if figure is None:
        return sorted(images, key=lambda image: image.position)
    known = [one for one in images if one.outcome == "succeeded" and getattr(one, figure) is not None]
    return sorted(known, key=lambda one: (getattr(one, figure), one.dataset_image_id), reverse=order.descending)


FILTERS: Mapping[str, ImageFilter] = {
    "all": ImageFilter(),
    "succeeded": ImageFilter(ListedOutcome.SUCCEEDED),
    "failed": ImageFilter(ListedOutcome.FAILED),
    "pending": ImageFilter(ListedOutcome.PENDING),
    "error": ImageFilter(error_code="image_missing"),
    "name": ImageFilter(name="7"),
    "failed name": ImageFilter(ListedOutcome.FAILED, "4"),
    "pending name": ImageFilter(ListedOutcome.PENDING, "9"),
    "masks": ImageFilter(figures={Figure.MASK_COUNT: Between(3, 12)}),
    "no masks": ImageFilter(figures={Figure.MASK_COUNT: Between(high=0)}),
    "score": ImageFilter(figures={Figure.PREDICTED_IOU: Between(0.25, 0.5)}),
    "both": ImageFilter(
        figures={Figure.IOU: Between(high=0.4), Figure.MASK_COUNT: Between(2), Figure.PREDICTED_IOU: Between()}
    ),
}


def test_pages_are_those_of_a_reference_in_every_order(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_listing, "SEARCHED_AT_ONCE", 60)
    run_id = written_run(engine, SMALL, SMALL - SMALL % SHARD)
    with Session(engine) as session:
        run = session.get_one(Run, run_id)
        everything = every_page(session, run, ImageFilter(), ImageOrder.POSITION)
        assert [image.position for image in everything] == list(range(SMALL))
        for name, wanted in FILTERS.items():
            for order in ImageOrder:
                found = every_page(session, run, wanted, order)
                expected = sorted_by([image for image in everything if matches(image, wanted)], order)
                assert found == expected, (name, order)


def test_pages_of_a_large_run_read_few_rows_by_their_index(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = 2000
    monkeypatch.setattr(image_listing, "SEARCHED_AT_ONCE", at_once)
    run_id = written_run(engine, LARGE, LARGE)

    def figures(**bounds: tuple[float | None, float | None]) -> ImageFilter:
        return ImageFilter(figures={Figure(name): Between(*between) for name, between in bounds.items()})

    seldom = figures(predicted_iou=(0.9991, None))  # no image, so a page looks at all that it may
    wanted = [
        (ImageFilter(), "mask_count", "ix_image_results_masks", LIMIT + 1),
        (figures(mask_count=(20, 21)), "-mask_count", "ix_image_results_masks", LIMIT + 1),
        (ImageFilter(), "-image_ms", "ix_image_results_time", LIMIT + 1),
        (figures(predicted_iou=(0.5, 0.6)), "predicted_iou", "ix_image_results_score", LIMIT + 1),
        (ImageFilter(), "iou", "ix_image_results_iou", LIMIT + 1),
        (seldom, "iou", "ix_image_results_iou", at_once),
        (ImageFilter(name="nowhere"), "-mask_count", "ix_image_results_masks", at_once),
        (seldom, "position", "uq_dataset_images_dataset_id_position", at_once),
        (ImageFilter(error_code="none"), "position", "uq_dataset_images_dataset_id_position", at_once),
    ]
    with Session(engine) as session:
        run = session.get_one(Run, run_id)
        for condition, order, index, most in wanted:
            after: Place | None = None
            for _ in range(2):  # the second page begins after a place
                with explained(session) as plans:
                    page, after = page_of_images(
                        session, run, condition, order=ImageOrder(order), after=after, limit=LIMIT
                    )
                assert after is not None
                assert index in indexes(plans), (condition, order, plans)
                assert most_rows(plans) <= most, (condition, order, plans)
                assert len(page) == (LIMIT if most < at_once else 0)
