"""The mask decoder's parameters, premultiplied once when a checkpoint is loaded.

Every product of two parameters is formed here, in float64. `samfleet_models.decoder.two_way_pass` states the algebra.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from samfleet_models.decoder.numerics import Affine, centred, narrow, wide
from samfleet_models.decoder.output_upscaling import UpScaling
from samfleet_models.modeling.mask_decoder import MaskDecoder
from samfleet_models.modeling.transformer import DIM, HEADS, Attention

SCALE = (DIM // 2 // HEADS) ** -0.5  # scale of the logits in the cross attentions


@dataclass(frozen=True, slots=True)
class ToImage:
    """Token-to-image attention. `query` is scaled; `out` includes the contribution of constant keys and values.

    `key` and `value` [128, 256] act on image tokens before the gain of their LayerNorm; `value_heads` [H, 256, 16] and
    `key_heads` [H, 16, 256] are the same matrices per head. `position_key` [128, 256] acts on positions.
    """

    query: Affine
    key: Tensor
    value: Tensor
    position_key: Tensor
    out: Affine

    @property
    def key_heads(self) -> Tensor:
        return self.key.view(HEADS, -1, DIM)

    @property
    def value_heads(self) -> Tensor:
        return self.value.view(HEADS, -1, DIM).transpose(1, 2)


@dataclass(frozen=True, slots=True)
class ToTokens:
    """Image-to-token attention. `key` is scaled.

    `query` [128, 256] acts on image tokens before the gain of their LayerNorm, `position_query` on positions; its bias
    includes all constants. `out` [H, 16, 256] maps a head's values to image channels, without their mean.
    """

    key: Affine
    value: Affine
    query: Tensor
    position_query: Affine
    out: Tensor
    bias: Tensor

    @property
    def query_heads(self) -> Tensor:
        return self.query.view(HEADS, -1, DIM)


@dataclass(frozen=True, slots=True)
class FoldedWeights:
    """Premultiplied parameters of a decoder.

    `gained_out` [H, 16, 256] is the first layer's `out` after its gain; `shift` [256] is the sum that both layers add.
    """

    to_image: tuple[ToImage, ToImage, ToImage]
    to_tokens: tuple[ToTokens, ToTokens]
    gain: Tensor
    gained_out: Tensor
    shift: Tensor
    epsilons: tuple[float, float]
    up_scaling: UpScaling

    @classmethod
    def of(cls, decoder: MaskDecoder, drawing: torch.dtype) -> FoldedWeights:
        """Fold a decoder with final parameters, float32, on their device; `drawing` is the type to draw in."""
        first, second = decoder.transformer.blocks
        gains = [wide(block.norm4.weight) for block in (first, second)]
        shifts = [wide(block.norm4.bias) for block in (first, second)]
        nothing, one = torch.zeros_like(shifts[0]), torch.ones_like(gains[0])
        to_tokens = (
            _to_tokens(first.cross_attn_image_to_token, one, nothing),
            _to_tokens(second.cross_attn_image_to_token, gains[0], shifts[0]),
        )
        gained = centred(wide(first.cross_attn_image_to_token.out_proj.weight), 0) * gains[0][:, None]
        return cls(
            to_image=(
                _to_image(first.cross_attn_token_to_image, one, nothing),
                _to_image(second.cross_attn_token_to_image, gains[0], shifts[0]),
                _to_image(decoder.transformer.final_attn_token_to_image, gains[1], shifts[1]),
            ),
            to_tokens=to_tokens,
            gain=narrow(gains[0]),
            gained_out=_heads_out(gained),
            shift=narrow(centred(shifts[0] + wide(second.cross_attn_image_to_token.out_proj.bias), 0)),
            epsilons=(first.norm4.eps, second.norm4.eps),
            up_scaling=UpScaling.of(decoder, gains[1], shifts[1], drawing),
        )


def _to_image(attention: Attention, gain: Tensor, shift: Tensor) -> ToImage:
    """Fold an attention whose keys and values read gain · x + shift.

    Terms constant over the image cancel in the softmax over it.
    """
    key, value, out = (wide(part.weight) for part in (attention.k_proj, attention.v_proj, attention.out_proj))
    constant = wide(attention.v_proj.bias) + value @ shift
    return ToImage(
        query=_scaled(attention.q_proj),
        key=narrow(key * gain),
        value=narrow(value * gain),
        position_key=narrow(key),
        out=Affine(narrow(out), narrow(wide(attention.out_proj.bias) + out @ constant)),
    )


def _to_tokens(attention: Attention, gain: Tensor, shift: Tensor) -> ToTokens:
    query = wide(attention.q_proj.weight)
    return ToTokens(
        key=_scaled(attention.k_proj),
        value=Affine(attention.v_proj.weight.detach(), attention.v_proj.bias.detach()),
        query=narrow(query * gain),
        position_query=Affine(narrow(query), narrow(wide(attention.q_proj.bias) + query @ shift)),
        out=_heads_out(wide(attention.out_proj.weight)),
        bias=attention.out_proj.bias.detach(),
    )


def _scaled(linear: nn.Linear) -> Affine:
    return Affine(narrow(wide(linear.weight) * SCALE), narrow(wide(linear.bias) * SCALE))


def _heads_out(matrix: Tensor) -> Tensor:
    """Return [H, 16, 256] of an output projection [256, 128], each row without its mean over the channels."""
    return narrow(centred(matrix, 0).T.reshape(HEADS, -1, DIM))
