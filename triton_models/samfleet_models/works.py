"""The work that a request means for a network of an encoder and a decoder."""

from __future__ import annotations

from samfleet.masks.wire import SegmentRequest
from samfleet.variants.task import EverythingParameters, PromptsParameters
from samfleet_models.asking import Work
from samfleet_models.common import Features
from samfleet_models.contract import Network
from samfleet_models.everything import EverythingRun
from samfleet_models.grid import Crop
from samfleet_models.loading import LoadedImage
from samfleet_models.prompted import segment_prompts
from samfleet_models.timing import StageClock


def begin_work(
    network: Network, request: SegmentRequest, image: LoadedImage, features: Features, clock: StageClock
) -> Work:
    """What answers the request; `features` are those of the whole image."""
    task = request.task
    if not isinstance(task, EverythingParameters) or task.prompted:
        answer = PromptsParameters() if isinstance(task, EverythingParameters) else task
        return segment_prompts(network, features, image.frame, request.prompts, answer, clock)

    def encode(crop: Crop) -> Features:
        if crop.layer == 0:
            return features
        x0, y0, x1, y1 = crop.box
        with clock.measure("preprocess"):
            resized = network.framing.resize(image.pixels[y0:y1, x0:x1])
        return network.embed([resized], clock)[0]

    return EverythingRun(network, image.frame.original, task, encode, clock).masks()
