"""`samfleet compare`: the masks of two runs, or of one run and the annotations, image by image."""

from __future__ import annotations

from enum import StrEnum
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samfleet.errors import InvalidInput
from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain
from samfleet_cli.commands.rows import print_json

if TYPE_CHECKING:
    from samfleet.client import SamfleetClient
    from samfleet_cli.listing import Column


class SortNeedsTwoRuns(InvalidInput):
    """One run has one order: the lowest IoU with the annotations first. Leave out --sort, or name a second run."""

    code = "sort_needs_two_runs"


class Sort(StrEnum):
    """Order of the images."""

    DISAGREEMENT = "disagreement"
    WORST_IOU_A = "worst-iou-a"
    WORST_IOU_B = "worst-iou-b"
    IOU_CHANGE = "iou-change"
    POSITION = "position"


RunA = Annotated[
    str, typer.Argument(help="The reference: a run's id, as `samfleet jobs show --json` has it, or its first six.")
]
RunB = Annotated[
    str | None,
    typer.Argument(help="The other run, over the same images. Without it, A is compared with the annotations."),
]
Order = Annotated[
    Sort | None,
    typer.Option(
        help="Of two runs: images with the largest disagreement first, the default, or with the worst IoU with the "
        "annotations."
    ),
]
Limit = Annotated[int, typer.Option(min=0, help="Maximum number of images.")]


def compare(
    run_a: RunA,
    run_b: RunB = None,
    sort: Order = None,
    limit: Limit = 10,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Compare the masks of two runs, or of one and the annotations, and list the images that differ most."""
    from samfleet.client.wait import wait_for_comparison
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Form, print_list

    form = Form(as_json, plain)
    if run_b is None and sort is not None:
        raise SortNeedsTwoRuns
    with connect(choose_api(api_url, api_key)) as client:
        if run_b is None:
            worst = _worst_images(client, run_a, limit)
            print_list(_annotation_columns(), worst, form, whole=worst, empty="no image of the run has annotations")
            return
        comparison = wait_for_comparison(client, client.create_comparison(run_a, run_b))
        ranked = client.comparison_images(comparison["id"], sort=(sort or Sort.DISAGREEMENT).value.replace("-", "_"))
        images = list(islice(ranked, limit))
    if as_json:
        print_json({**comparison, "images": images})
        return
    if not plain:
        typer.echo("\n".join(in_words(comparison)))
    print_list(_columns(), images, form, whole=images, empty="no image has the figure that this order needs")


def _worst_images(client: SamfleetClient, run_id: str, limit: int) -> list[dict[str, Any]]:
    """Return the images with the lowest mean IoU with their annotations first, each matched with them."""
    images = islice(client.run_images(run_id, sort="iou"), limit)
    return [
        {"file_name": image.file_name, "iou": image.iou, **client.annotation_comparison(run_id, image.image_id)}
        for image in images
    ]


def _annotation_columns() -> list[Column]:
    from samfleet_cli.listing import Column

    return [
        Column("image", itemgetter("file_name"), folds=True),
        Column("IoU", lambda image: f"{image['iou']:.3f}"),
        Column("matched", lambda image: len(image["pairs"])),
        Column("changed", lambda image: sum(pair["changed"] for pair in image["pairs"])),
        Column("lost", lambda image: len(image["lost"])),
        Column("gained", lambda image: len(image["gained"])),
    ]


def in_words(comparison: dict[str, Any]) -> list[str]:
    """Say what was compared, and with which result."""
    sides = [f"{side.upper()}: {comparison[side]['in_words']} (run {comparison[side]['run_id']})" for side in "ab"]
    summary = comparison["summary"]
    if summary is None:
        return [*sides, "No image has masks in both runs."]
    mean = "" if summary["mean_iou"] is None else f", mean IoU {summary['mean_iou']:.3f}"
    result = (
        f"{summary['images']} images, {summary['masks_a']} masks in A and {summary['masks_b']} in B: "
        f"{summary['matched']} matched{mean}, of which {summary['changed']} changed (IoU below 0.9); "
        f"{summary['lost']} lost, {summary['gained']} gained; agreement {summary['agreement']:.3f}."
    )
    return [*sides, result, ""]


def _columns() -> list[Column]:
    from samfleet_cli.listing import Column

    def figure(title: str, name: str) -> Column:
        return Column(title, lambda image: None if image[name] is None else f"{image[name]:.3f}")

    return [
        Column("image", lambda image: image["file_name"], folds=True),
        figure("disagreement", "disagreement"),
        figure("mean IoU", "mean_iou"),
        *(Column(name, itemgetter(name)) for name in ("matched", "changed", "lost", "gained")),
        figure("IoU of A", "iou_a"),
        figure("IoU of B", "iou_b"),
        figure("change of IoU", "iou_change"),
    ]
