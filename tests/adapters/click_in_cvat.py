"""Carry out clicks in CVAT by the driver of its agents: `python -m adapters.click_in_cvat FOLDER`.

It runs under the tools' own Python, which has `cvat_cli` and our `samfleet_cvat`. Wishes, JSON in stdin, are `variant`
and `clicks`, each with the `frame` and prompts as CVAT's server sends them. Writes the shapes of each click, masks with
COCO's compressed `counts`, or the error.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from adapters.cvat_server import TASK, CvatServer, cvat_server
from samfleet.errors import SamfleetError


class SameProcess:
    """Executor of an agent that does the work at once."""

    def submit(self, work: Callable[..., Any], *arguments: object) -> Any:
        return work(*arguments)

    def result(self, done: Any) -> Any:
        return done


def clicked(folder: Path, wishes: dict[str, Any]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as cache, cvat_server(folder, "mask") as server:
        os.environ.update(XDG_CACHE_HOME=cache, XDG_CONFIG_HOME=cache)
        from cvat_cli._internal.agent_driver import set_worker_current_function
        from cvat_cli._internal.agent_driver_interaction import AgentInteractionFunctionDriver
        from cvat_sdk.core import Client
        from cvat_sdk.core.client import AccessTokenCredentials

        from samfleet_cvat import interaction

        client = Client(server.url)
        client.login(AccessTokenCredentials("token"))
        function = interaction.create(wishes["variant"])
        set_worker_current_function(function)
        AgentInteractionFunctionDriver.init_worker(None)
        driver = AgentInteractionFunctionDriver(client, SameProcess(), function.spec)
        return [outcome(driver, click, server) for click in wishes["clicks"]]


def outcome(driver: Any, click: dict[str, Any], server: CvatServer) -> dict[str, Any]:
    request = {"type": "interact", "task": TASK, "pos_points": [], "neg_points": [], "obj_bbox": [], **click}
    try:
        shapes = driver.calculate_result_for_ar(request, None)["shapes"]
    except SamfleetError as error:
        return {"error": getattr(error, "problem_code", error.code)}
    return {"shapes": [readable(shape, server.images[click["frame"]]) for shape in shapes]}


def readable(shape: dict[str, Any], path: Path) -> dict[str, Any]:
    from cvat_sdk.masks import decode_mask

    with Image.open(path) as image:
        bits = decode_mask(shape["points"], image_width=image.width, image_height=image.height)
    counts = coco_mask.encode(np.asfortranarray(bits, dtype=np.uint8))["counts"].decode()
    confidences = [(one["spec_id"], float(one["value"])) for one in shape["attributes"]]
    return {"type": shape["type"], "counts": counts, "attributes": confidences}


if __name__ == "__main__":
    found = clicked(Path(sys.argv[1]), json.load(sys.stdin))
    sys.stdout.write(json.dumps(found))
