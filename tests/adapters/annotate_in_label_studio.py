"""Send requests of Label Studio to our backend: `python -m adapters.annotate_in_label_studio FOLDER`.

It runs under the tools' own Python, which has `label_studio_sdk` and our `samfleet_label_studio`. Wishes, JSON in
stdin, are `variant` and `requests`, each with `method`, `path` and `json`. Images of the folder are uploads of Label
Studio, which need its key. Writes the replies; the SDK validates the predictions by the labelling interface and decodes
their regions to COCO's compressed counts.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from fastapi.testclient import TestClient
from label_studio_sdk.converter.brush import decode_rle
from label_studio_sdk.label_interface import LabelInterface
from pycocotools import mask as coco_mask

from samfleet.client import Client
from samfleet_label_studio.backend import Backend
from samfleet_label_studio.images import ImageSource
from samfleet_label_studio.server import create_app

KEY = "0123456789abcdef"
USER = ("label-studio", "secret")


class Uploads(BaseHTTPRequestHandler):
    """Files of the folder under the two routes of Label Studio's uploads."""

    folder: Path

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        name = parse_qs(parts.query)["filepath"][0] if parts.path == "/storage-data/uploaded/" else parts.path
        path = self.folder / Path(name).name
        known = self.headers.get("Authorization") == f"Token {KEY}"
        status = 401 if not known else 200 if path.is_file() else 404
        self.send_response(status)
        self.end_headers()
        if status == 200:
            self.wfile.write(path.read_bytes())

    def log_message(self, *_arguments: object) -> None: ...


@contextmanager
def label_studio(folder: Path) -> Iterator[str]:
    handler = type("Handler", (Uploads,), {"folder": folder})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def checked(prediction: dict[str, Any], config: str) -> dict[str, Any]:
    """Return the masks of a prediction and what the SDK finds wrong with it."""
    errors = LabelInterface(config).validate_prediction(prediction, return_errors=True)
    regions = prediction["result"]
    assert len({region["id"] for region in regions}) == len(regions)
    labels = [region["value"][region["type"]] for region in regions]
    return {**prediction, "result": [counts(region) for region in regions], "labels": labels, "errors": errors}


def counts(region: dict[str, Any]) -> str:
    height, width = region["original_height"], region["original_width"]
    if region["type"] == "brushlabels":
        bits = np.reshape(decode_rle(region["value"]["rle"]), (height, width, 4))[:, :, 3] > 0
        packed = coco_mask.encode(np.asfortranarray(bits, dtype=np.uint8))
    else:
        ring = np.array(region["value"]["points"]) / 100 * (width, height)
        (packed,) = coco_mask.frPyObjects([ring.ravel().tolist()], height, width)
    return str(packed["counts"].decode())


def replies(folder: Path, wishes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with label_studio(folder) as url, Client() as client:
        for wish in wishes["requests"]:
            source = ImageSource(url, wish.get("key", KEY))
            backend = Backend(client, source, wishes["variant"], {"kind": "everything"})
            app = create_app(backend, user=USER[0], password=USER[1])
            response = TestClient(app).request(
                wish["method"], wish["path"], json=wish.get("json"), auth=tuple(wish.get("auth", USER))
            )
            body = response.json()
            if response.status_code == 200 and "results" in body:
                body["results"] = [checked(one, wish["json"]["label_config"]) for one in body["results"]]
            yield {**body, "status": response.status_code}


if __name__ == "__main__":
    found = list(replies(Path(sys.argv[1]), json.load(sys.stdin)))
    sys.stdout.write(json.dumps(found))
