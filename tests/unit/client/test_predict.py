"""`predict` of both clients, against a double of the API."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from fixtures.api.api_double import ApiDouble, refusal
from fixtures.api.segmentations import ARRAY, KEY, URL, reply
from fixtures.images.encoded_images import bright_square
from fixtures.worker.recorded_jobs import HEIGHT, WIDTH
from samfleet.client import ApiError, AsyncClient, Client, ImagesInvalid, Prediction
from samfleet.client.async_transport import AsyncTransport
from samfleet.client.transport import Transport
from samfleet.errors import InvalidInput

Predict = Callable[..., Prediction]
FILE = bright_square(WIDTH, HEIGHT)


async def _no_sleep(_seconds: float) -> None:
    return


def blocking(api: ApiDouble, *args: Any, **kwargs: Any) -> Prediction:
    transport = Transport(URL, KEY, transport=httpx.MockTransport(api), sleep=lambda _s: None)
    with Client(URL, KEY, transport=transport) as client:
        return client.predict(*args, **kwargs)


def asynchronous(api: ApiDouble, *args: Any, **kwargs: Any) -> Prediction:
    async def predict() -> Prediction:
        transport = AsyncTransport(URL, KEY, transport=httpx.MockTransport(api), sleep=_no_sleep)
        async with AsyncClient(URL, KEY, transport=transport) as client:
            return await client.predict(*args, **kwargs)

    return asyncio.run(predict())


@pytest.fixture(params=[blocking, asynchronous])
def predict(request: pytest.FixtureRequest) -> Predict:
    made: Predict = request.param
    return made


@pytest.fixture
def api() -> ApiDouble:
    return ApiDouble({"POST /v1/predict": reply()})


def sent(api: ApiDouble) -> Any:
    return json.loads(re.findall(rb"{.*}", api.requests[0].content)[0])


def test_a_file_gives_masks_and_an_overlay(predict: Predict, api: ApiDouble, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(FILE)
    one = predict(api, path, "mobile_sam")
    assert (one.file_name, one.variant, one.pool, one.device_ms) == ("a.png", "mobile_sam", "default", 3.5)
    assert one.masks.shape == (2, HEIGHT, WIDTH)
    assert one.boxes.tolist() == [[4, 5, 12, 15], [14, 5, 20, 15]]
    assert [row["left"] for row in one.rows()] == [4, 14]
    with Image.open(io.BytesIO(one.overlay)) as drawn:
        assert drawn.size == (WIDTH, HEIGHT)
    assert one._repr_png_() == one.overlay
    assert sent(api) == {"variant": "mobile_sam"}
    assert FILE in api.requests[0].content


@pytest.mark.parametrize("image", [ARRAY, Image.fromarray(ARRAY)])
def test_an_array_and_a_picture_are_sent_without_loss(predict: Predict, api: ApiDouble, image: Any) -> None:
    predicted = predict(api, image, "mobile_sam", task={"kind": "everything", "points_per_side": 4}, pool="gpu")
    with Image.open(io.BytesIO(predicted.image)) as encoded:
        assert np.array_equal(np.asarray(encoded), ARRAY)
    assert predicted.image in api.requests[0].content
    assert sent(api)["task"] == {"kind": "everything", "points_per_side": 4}
    assert sent(api)["pool"] == "gpu"


def test_bytes_are_sent_as_they_are(api: ApiDouble) -> None:
    assert blocking(api, b"of a format that only the server reads", "mobile_sam").file_name == "image"
    assert b"of a format that only the server reads" in api.requests[0].content


@pytest.mark.parametrize(
    ("prompts", "objects"),
    [
        ({"points": [(1, 2)]}, [{"points": [[1, 2]]}]),
        (
            {"points": np.array([[1, 2], [3, 4]]), "labels": np.array([1, 0]), "boxes": [(0, 1, 2, 3)]},
            [{"points": [[1, 2], [3, 4]], "labels": [1, 0], "box": [0, 1, 2, 3]}],
        ),
        ({"boxes": np.array([[0, 1, 2, 3], [4, 5, 6, 7]])}, [{"box": [0, 1, 2, 3]}, {"box": [4, 5, 6, 7]}]),
        ({"objects": [{"id": "jar", "box": [0, 1, 2, 3]}]}, [{"id": "jar", "box": [0, 1, 2, 3]}]),
        ({"boxes": []}, []),
    ],
)
def test_prompts_have_the_form_of_a_prompts_file(api: ApiDouble, prompts: dict[str, Any], objects: list[Any]) -> None:
    blocking(api, FILE, "mobile_sam", **prompts)
    assert sent(api)["objects"] == objects  # an empty list stays: the server refuses it, and does not find everything


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ({"points": [1, 2]}, "the point 1 is not a sequence of 2 numbers"),
        ({"points": [(1, 2, 3)]}, "has 3 numbers; give 2"),
        ({"points": [(1, "a")]}, "not a sequence of 2 numbers"),
        ({"boxes": [0, 1, 2, 3]}, "the box 0 is not a sequence of 4 numbers"),
        ({"points": [(1, 2)], "boxes": [(0, 0, 1, 1)] * 2}, "points belong to one object"),
        ({"points": [(1, 2)], "labels": [1, 1]}, "one label for each point"),
        ({"boxes": [(0, 0, 1, 1)], "labels": [1]}, "labels belong to points"),
        ({"objects": [], "points": []}, "not both"),
    ],
)
def test_wrong_prompts_are_refused_before_anything_is_sent(
    api: ApiDouble, prompts: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=re.escape(message)):
        blocking(api, FILE, "mobile_sam", **prompts)
    assert api.requests == []


@pytest.mark.parametrize("image", ["nothing.png", ".", "s3://bucket/a.png", ARRAY.astype(float), 7])
def test_what_is_no_image_is_refused(api: ApiDouble, image: Any) -> None:
    with pytest.raises(ImagesInvalid):
        blocking(api, image, "mobile_sam")
    assert api.requests == []


def test_a_prediction_out_of_time_is_not_repeated_and_a_stopped_worker_is(predict: Predict) -> None:
    late = ApiDouble({"POST /v1/predict": [refusal(504, "prediction_timeout")]})
    with pytest.raises(ApiError) as refused:
        predict(late, FILE, "mobile_sam")
    assert refused.value.problem_code == "prediction_timeout"
    stopped = ApiDouble({"POST /v1/predict": [refusal(503, "prediction_failed"), reply()]})
    assert len(predict(stopped, FILE, "mobile_sam")) == 2
