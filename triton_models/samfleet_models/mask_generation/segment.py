"""Chooses the segmentation task for a request, for networks made of an encoder and a decoder."""

from __future__ import annotations

from samfleet.variants.task import EverythingParameters, PromptsParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.batching.interface import Network
from samfleet_models.batching.requests import ImageTask
from samfleet_models.device.timing import StageClock
from samfleet_models.images.loading import LoadedImage
from samfleet_models.mask_generation.automatic import AutomaticMaskGenerator
from samfleet_models.mask_generation.point_grid import Crop
from samfleet_models.mask_generation.predictor import segment_prompts
from samfleet_models.modeling.common import Features


def segment_image(
    network: Network, request: SegmentRequest, image: LoadedImage, features: Features, clock: StageClock
) -> ImageTask:
    """Return the task that computes the request's masks; `features` are those of the whole image."""
    task = request.task
    if not isinstance(task, EverythingParameters) or task.prompted:
        parameters = PromptsParameters() if isinstance(task, EverythingParameters) else task
        return segment_prompts(network, features, image.frame, request.prompts, parameters, clock)

    def encode(crop: Crop) -> Features:
        if crop.layer == 0:
            return features
        x0, y0, x1, y1 = crop.box
        with clock.measure("preprocess"):
            resized = network.processor.resize(image.pixels[y0:y1, x0:x1])
        return network.embed([resized], clock)[0]

    return AutomaticMaskGenerator(network, image.frame.original, task, encode, clock).masks()
