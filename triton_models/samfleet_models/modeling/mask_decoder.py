"""The parameters of SAM's mask decoder and its successors, under the official keys.

Layout and keys follow segment_anything/modeling/mask_decoder.py; `samfleet_models.decoder.folded` computes with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from samfleet_models.device.transfers import to_device
from samfleet_models.modeling.common import LayerNorm2d, Mlp
from samfleet_models.modeling.transformer import DIM, TransformerShape, TwoWayTransformer

MASKS = 4
SINGLE = 0  # the mask of an unambiguous prompt
MULTI = tuple(range(1, MASKS))  # the three ambiguity-aware masks


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """The differences between mask decoders; SAM's by default.

    With an `object_score` (SAM 2) its token comes before all others. The head that reads it is loaded but never run,
    because an image's masks do not depend on it. `bounded_ious` have passed a sigmoid. The transformer's activation is
    also that of the heads; `up_scaling_norm` makes the layer after the first convolution for 64 channels.
    """

    transformer: TransformerShape = field(default_factory=TransformerShape)
    object_score: bool = False
    bounded_ious: bool = False
    up_scaling_norm: Callable[[int], nn.Module] = LayerNorm2d


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """The features of one image that a decoder takes; `embedding` is [1, 256, h, w].

    `coarse` [1, 64, 2 h, 2 w] and `fine` [1, 32, 4 h, 4 w] are added after the two convolutions of the up-scaling,
    `refined` [1, 32, 4 h, 4 w] to the features from which a refining mask is drawn.
    """

    embedding: Tensor
    coarse: Tensor | None = None
    fine: Tensor | None = None
    refined: Tensor | None = None


class MaskDecoder(nn.Module):
    def __init__(self, shape: DecoderShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or DecoderShape()
        activation = shape.transformer.activation
        self.transformer = TwoWayTransformer(shape.transformer)
        self.iou_token = nn.Embedding(1, DIM)
        self.mask_tokens = nn.Embedding(MASKS, DIM)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(DIM, DIM // 4, 2, stride=2),
            shape.up_scaling_norm(DIM // 4),
            nn.GELU(),
            nn.ConvTranspose2d(DIM // 4, DIM // 8, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(Mlp((DIM, DIM, DIM, DIM // 8), activation) for _ in range(MASKS))
        self.iou_prediction_head = Mlp((DIM, DIM, DIM, MASKS), activation)
        if shape.object_score:
            self.obj_score_token = nn.Embedding(1, DIM)
            self.pred_obj_score_head = Mlp((DIM, DIM, DIM, 1), activation)

    @property
    def own_tokens(self) -> Tensor:
        """Tokens [K, 256] that precede those of a prompt: an object score's, the IoUs', the masks'."""
        first = [self.obj_score_token.weight] if self.shape.object_score else []
        return torch.cat([*first, self.iou_token.weight, self.mask_tokens.weight])

    def output_tokens(self, prompt: Tensor) -> Tensor:
        """Prepend the decoder's own tokens to those of the `prompt` [P, T, 256]: [P, K + T, 256]."""
        return torch.cat([self.own_tokens.expand(len(prompt), -1, -1), prompt], dim=1)

    def image_features(self, features: tuple[Tensor, ...]) -> ImageFeatures:
        """Name an encoder's features of one image: the embedding, then any skips, the fine one first."""
        embedding, *skips = features
        if not skips:
            return ImageFeatures(embedding)
        fine, coarse = skips
        return ImageFeatures(embedding, coarse=coarse, fine=fine)

    def predicted_ious(self, tokens: Tensor) -> Tensor:
        """Return the predicted IoUs [P, 4] of final `tokens` [P, K + T, 256]."""
        ious = torch.as_tensor(self.iou_prediction_head(tokens[:, self._iou_place]))
        return ious.sigmoid() if self.shape.bounded_ious else ious

    def ious_of(self, ious: Tensor, rows: Tensor, masks: Tensor) -> Tensor:
        """Return the IoUs [n] of the `masks` [n] of the prompts `rows` [n], from `ious` [P, 4]."""
        return ious[rows, masks]

    def mask_kernels(self, tokens: Tensor, rows: Tensor, masks: Tensor) -> Tensor:
        """Return kernels [n, 32] for the `masks` [n] (0 to 3) of prompts `rows` [n], both on the host.

        `tokens` [P, K + T, 256] are final.
        """
        kernels = tokens.new_zeros(len(rows), DIM // 8)
        for mask, head in enumerate(self.output_hypernetworks_mlps):
            chosen = (masks == mask).nonzero()[:, 0]
            if len(chosen):
                places, prompts = to_device(torch.stack([chosen, rows[chosen]]), tokens.device)
                kernels[places] = head(tokens[prompts, self._iou_place + 1 + mask])
        return kernels

    @property
    def _iou_place(self) -> int:
        return 1 if self.shape.object_score else 0
