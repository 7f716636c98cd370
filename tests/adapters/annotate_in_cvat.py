"""Annotate the images of a folder by CVAT's command: `python -m adapters.annotate_in_cvat FOLDER`.

It runs under the tools' own Python, which has `cvat_cli` and our `samfleet_cvat`. Wishes, JSON in stdin, are
`function`, the parameters of the function, `options`, those of the command, and `label_type`. Writes the shapes that
the server got, masks with COCO's compressed `counts`, or the error.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from adapters.cvat_server import LABEL, TASK, CvatServer, cvat_server
from samfleet.errors import SamfleetError


def annotated(folder: Path, wishes: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as cache, cvat_server(folder, wishes["label_type"]) as server:
        os.environ.update(XDG_CACHE_HOME=cache, XDG_CONFIG_HOME=cache, CVAT_ACCESS_TOKEN="token")
        from cvat_cli.__main__ import main
        from cvat_sdk.auto_annotation import BadFunctionError

        command = ["--server-host", server.url, "task", "auto-annotate", str(TASK)]
        command += ["--function-module", "samfleet_cvat.detection", *wishes["options"]]
        for name, value in wishes["function"].items():
            command += ["-p", f"{name}={type(value).__name__}:{value}"]
        try:
            assert main(command) == 0
        except (SamfleetError, BadFunctionError) as error:
            return {"error": getattr(error, "code", type(error).__name__), "shapes": server.shapes}
        return {"shapes": [readable(shape, server) for shape in server.shapes]}


def readable(shape: dict[str, Any], server: CvatServer) -> dict[str, Any]:
    from cvat_sdk.masks import decode_mask

    assert (shape["label_id"], shape["source"]) == (LABEL, "auto")
    found = {"type": shape["type"], "image": server.images[shape["frame"]].name, "points": shape["points"]}
    if shape["type"] == "mask":
        with Image.open(server.images[shape["frame"]]) as image:
            bits = decode_mask(shape["points"], image_width=image.width, image_height=image.height)
        found["counts"] = coco_mask.encode(np.asfortranarray(bits, dtype=np.uint8))["counts"].decode()
    return found


if __name__ == "__main__":
    found = annotated(Path(sys.argv[1]), json.load(sys.stdin))
    sys.stdout.write(json.dumps(found))
