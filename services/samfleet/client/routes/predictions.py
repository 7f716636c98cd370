from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from samfleet.client.steps import Call
from samfleet.client.values import unchanged
from samfleet.regular_files import open_regular

PREDICT_SECONDS = 600  # the server's own limit is a minute by default (`SAMFLEET_PREDICT_TIMEOUT`)


def predict(image: Path, request: Mapping[str, Any]) -> Call[dict[str, Any]]:
    """Segment a local image and return the reply of `POST /v1/predict`. The server stores nothing."""
    return Call("POST", "/v1/predict", unchanged, {"timeout": PREDICT_SECONDS}, body=partial(_parts, image, request))


def _parts(image: Path, request: Mapping[str, Any], opened: ExitStack) -> dict[str, Any]:
    file = opened.enter_context(open_regular(image))
    return {
        "data": {"request": json.dumps(request)},
        "files": {"image": (image.name, file, "application/octet-stream")},
    }
