"""The number type of each part of the computation.

| part | in bf16 and fp16 |
|---|---|
| parameters of the published network, and of the folded and fused ones | float32 and float64, rounded last |
| image encoder: weights and activations of its fused layers | the precision; products are summed in float32 |
| LayerNorm | the precision in and out; statistics and normalisation in float32, inside torch's kernel |
| softmax of the attention | queries, keys, values, biases in the precision; logits and sums in float32, in the kernel |
| embedding, as returned by the encoder | float32, with values that the precision can represent |
| prompt encoder, mask decoder | see `samfleet_models.decoder.numerics` |
| thresholds, stability, boxes, masks, run-length codes | the same types as in fp32 |

In int8 the calibrated layers of the image encoder multiply 8-bit integers (`samfleet_models.modeling.quantised`), and
everything else is as in fp32.

In fp32 everything is float32, and on CUDA without TF32 (`samfleet_models.device.hardware.prepare_device`). In tf32 and
tf32x3 everything is float32 too, but the products in the GPU kernels of the mask decoder
(`samfleet_models.gpu_kernels`) take operands of 10 bits of mantissa (TF32), or add three such products (3xTF32), which
keeps about 21 bits.

In bf16_products everything is float32 too, but the CPU kernels that score prompts and draw masks
(`samfleet_models.decoder.fused_pass` and `fused_drawing`) round the operands of most of their products to bfloat16.
Sums, softmax, LayerNorm and variances stay float32, and so does all that is computed between the sweeps, and the image
encoder. In bf16_kernels the kernels of the image encoder (`samfleet_models.modeling.kernel_layers`) do so too: its
linear layers and convolutions, but for the first one, which reads the image, those between stages, and those of single
channels. Attention, LayerNorm, GELU and what lies between its blocks stay float32.
"""

from __future__ import annotations

import torch

from samfleet.errors import SamfleetError
from samfleet.variants.execution import Execution, Precision, Products
from samfleet_kernels.gpu import gpu_kernels
from samfleet_kernels.library import chosen_for_bfloat16
from samfleet_models.ops import integer_layers, onednn

# In int8 everything that is no integer stays float32.
DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "tf32": torch.float32,
    "tf32x3": torch.float32,
    "bf16_products": torch.float32,
    "bf16_kernels": torch.float32,
    "int8": torch.float32,
}

BF16_SINCE = (8, 0)  # compute capability, also of TF32


class PrecisionUnsupported(SamfleetError):
    """The hardware has no arithmetic of this precision; serve the variant in fp32."""

    code = "precision_unsupported"


def require_supported(precision: Precision, device: torch.device) -> None:
    """Raise `PrecisionUnsupported` if the device lacks arithmetic of the type.

    Numbers are then converted for every product, which works but takes many times as long.
    """
    if (products := Execution(precision).products) != "ieee":
        require_products(products, device)
        return
    dtype = DTYPES[precision]
    if precision == "int8":
        if device.type != "cpu" or not integer_layers.supported():
            raise PrecisionUnsupported(
                f"int8 runs on CPUs with instructions for it (AVX-512 VNNI, AVX-VNNI or AMX), which {device} has not; "
                "serve in fp32"
            )
        return
    if device.type == "cuda":
        supported = dtype is not torch.bfloat16 or torch.cuda.get_device_capability(device) >= BF16_SINCE
    else:
        supported = dtype is torch.float32 or dtype in onednn.TYPES
    if not supported:
        raise PrecisionUnsupported(
            f"{device} has no arithmetic in {precision} and would take many times as long as in fp32; serve in fp32"
        )


def require_products(products: Products, device: torch.device) -> None:
    """Raise `PrecisionUnsupported` for products that only kernels compute, where decoders do not use them.

    The GPU kernels compute in TF32, and the CPU kernels in bf16.
    """
    if products == "ieee":
        return
    if products == "bf16":
        if device.type != "cpu" or chosen_for_bfloat16() is None:
            raise PrecisionUnsupported(
                f"only the CPU kernels for AVX-512 compute products in bf16, on processors with AVX512-BF16, and "
                f"decoders on {device} do not use them; leave SAMFLEET_KERNELS at auto, or serve in fp32"
            )
        return
    if gpu_kernels(device.type) is None:
        raise PrecisionUnsupported(
            f"only the GPU kernels compute in {products}, and decoders on {device} do not use them; "
            "set SAMFLEET_KERNELS=triton on a GPU, or serve in fp32"
        )
    if torch.cuda.get_device_capability(device) < BF16_SINCE:
        raise PrecisionUnsupported(f"{device} has no arithmetic in TF32; serve in fp32")
