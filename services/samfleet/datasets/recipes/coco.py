"""COCO 2017 val and LVIS v1 val, which annotates images of COCO.

Addresses: cocodataset.org, download page, and lvisdataset.org, dataset page. COCO publishes no hashes; the size and MD5
of its archive are those that several public tools check, such as birder (docs/public_datasets.md). For LVIS no two
sources agree on one, so its archive is pinned.
"""

from __future__ import annotations

from samfleet.datasets.recipes.record import Recipe, RemoteFile

RECIPES = (
    Recipe(
        name="coco_val2017",
        title="COCO 2017 val",
        version="2017",
        layout="images_by_url",
        licence="annotations CC BY 4.0; images under the licence of each photograph on Flickr",
        page="https://cocodataset.org/#termsofuse",
        terms=("Flickr-terms",),
        images=5000,
        archive=RemoteFile(
            "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
            size_bytes=252_907_541,
            md5="f4bbac642086de4f52a3fdda2de5fa2c",
        ),
        member="annotations/instances_val2017.json",
    ),
    Recipe(
        name="lvis_v1_val",
        title="LVIS v1 val",
        version="1",
        layout="images_by_url",
        licence="annotations CC BY 4.0; images of COCO, under the licence of each photograph on Flickr",
        page="https://www.lvisdataset.org/dataset",
        terms=("Flickr-terms",),
        images=19_809,
        archive=RemoteFile("https://dl.fbaipublicfiles.com/LVIS/lvis_v1_val.json.zip"),
        member="lvis_v1_val.json",
    ),
)
