"""`samfleet compare`: the masks of two runs, image by image."""

from __future__ import annotations

from enum import StrEnum
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain
from samfleet_cli.commands.rows import print_json

if TYPE_CHECKING:
    from samfleet_cli.listing import Column


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
RunB = Annotated[str, typer.Argument(help="The other run, over the same images.")]
Order = Annotated[
    Sort, typer.Option(help="Images with the largest disagreement first, or with the worst IoU with the annotations.")
]
Limit = Annotated[int, typer.Option(min=0, help="Maximum number of images.")]


def compare(
    run_a: RunA,
    run_b: RunB,
    sort: Order = Sort.DISAGREEMENT,
    limit: Limit = 10,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Compare the masks of two runs over the same images, and list the images that differ most."""
    from samfleet.client.wait import wait_for_comparison
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Form, print_list

    form = Form(as_json, plain)
    with connect(choose_api(api_url, api_key)) as client:
        comparison = wait_for_comparison(client, client.create_comparison(run_a, run_b))
        ranked = client.comparison_images(comparison["id"], sort=sort.value.replace("-", "_"))
        images = list(islice(ranked, limit))
    if as_json:
        print_json({**comparison, "images": images})
        return
    if not plain:
        typer.echo("\n".join(in_words(comparison)))
    print_list(_columns(), images, form, whole=images, empty="no image has the figure that this order needs")


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
