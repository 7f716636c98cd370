"""(i) The GPU kernels: parity with torch's operators in float32, and milliseconds beside torch's in the same type.

On a CPU they run in Triton's interpreter, whose milliseconds mean nothing.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmarks.flops import synchronize
from benchmarks.gpu_check.engines import MOBILE_SAM, engine_of
from benchmarks.gpu_check.machine import ready_device
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import Figures, NotHere, Recorder
from benchmarks.paths import sam_network
from samfleet.variants.execution import Products
from samfleet_kernels.gpu import language_version
from samfleet_kernels.library import torch_only
from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.image_context import ImageContext, Positions
from samfleet_models.decoder.mask_logits import Drawing, PlainDrawing
from samfleet_models.decoder.numerics import Types
from samfleet_models.decoder.tables import ByHead
from samfleet_models.decoder.triton_drawing import TritonDrawing
from samfleet_models.decoder.triton_pass import TritonPass
from samfleet_models.decoder.two_way_pass import TwoWayPass
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.gpu_kernels.limits import LARGEST_TOKENS, Blocks
from samfleet_models.modeling.mask_decoder import ImageFeatures, MaskDecoder
from samfleet_models.modeling.transformer import DIM, HEADS

if TYPE_CHECKING:
    from samfleet_models.gpu_kernels.launch import Launcher

MASKS = 3  # of a prompt
GROUP = 256  # prompts that torch's operators score together, as in the engine
REPEATS = 10


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Arithmetic of the kernels. `allowed` bounds the error: the share of torch's in `like`, or of the largest number.

    TF32 has the mantissa of float16.
    """

    name: str
    dtype: torch.dtype
    products: Products
    allowed: float
    like: torch.dtype | None = None


SOON_COMPILED = (
    Arithmetic("bf16", torch.bfloat16, "ieee", 2.5, torch.bfloat16),
    Arithmetic("fp16", torch.float16, "ieee", 2.5, torch.float16),
    Arithmetic("tf32", torch.float32, "tf32", 2.0, torch.float16),
)
ARITHMETICS = (  # products in float32 take the compiler longest
    *SOON_COMPILED,
    Arithmetic("tf32x3", torch.float32, "tf32x3", 1e-3),
    Arithmetic("fp32", torch.float32, "ieee", 2e-4),
)


@dataclass(frozen=True, slots=True)
class Size:
    """Prompts of `tokens`, the decoder's own included, on one embedding of `side` x `side`."""

    prompts: int
    tokens: int
    side: int


SIZES = ((Size(256, 7, 64), ARITHMETICS), (Size(1, 7, 64), ARITHMETICS), (Size(7, LARGEST_TOKENS, 50), SOON_COMPILED))
SMALL_SIZES = ((Size(2, 7, 6), ARITHMETICS),)


@torch.inference_mode()
def run(options: Options, recorder: Recorder) -> None:
    device = ready_device(options)
    decoder = None
    with recorder.item("loading"), torch_only():
        if importlib.util.find_spec("triton") is None:
            raise NotHere("the package triton is not installed; torch's builds for CUDA install it")
        with engine_of(MOBILE_SAM, options) as engine:
            decoder = sam_network(engine).mask_decoder
    if not isinstance(decoder, MaskDecoder):
        return
    for size, arithmetics in SMALL_SIZES if options.small else SIZES:
        for arithmetic in arithmetics:
            with recorder.item(f"{size.prompts} prompts of {size.tokens} tokens, {arithmetic.name}") as figures:
                figures.update(compared(Case(decoder, size, device), arithmetic, 1 if options.small else REPEATS))


class Case:
    """Random prompts on a random embedding, with the published weights."""

    def __init__(self, decoder: MaskDecoder, size: Size, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(size.prompts)

        def random(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator).to(device)

        self.size, self.device, self._transformer = size, device, decoder.transformer
        self._weights = {dtype: FoldedWeights.of(decoder, dtype) for dtype in {a.dtype for a in ARITHMETICS}}
        self._features = ImageFeatures(random(1, DIM, size.side, size.side) / 4)
        self._positions, self._dense = random(size.side**2, DIM), torch.zeros(1, DIM, device=device)
        self._prompt = random(size.prompts, size.tokens, DIM)
        self._kernels = random(MASKS * size.prompts, DIM // 8)
        self._workspace = Workspace(device)

    def context(self, dtype: torch.dtype) -> ImageContext:
        weights, layout = self._weights[dtype], ByHead(dtype)
        positions = Positions.of(weights, self._positions, layout)
        terms = weights.up_scaling.terms
        return ImageContext.of(weights, positions, self._features, self._dense, Types(dtype, dtype), layout, terms)

    def scored(self, context: ImageContext, launcher: Launcher | None) -> tuple[Tensor, Factors]:
        """Return final tokens and factors, by the kernels or, without a launcher, by torch."""
        prompts, dtype = self.size.prompts, context.shift.dtype
        factors = Factors.taken(self._workspace, prompts, HEADS * self.size.tokens, context.size, dtype)
        contexts, weights = [context] * prompts, self._weights[dtype]
        part: TwoWayPass | TritonPass
        if launcher is None:
            part = TwoWayPass(self._transformer, weights, contexts, self._workspace, GROUP)
        else:
            part = TritonPass(self._transformer, weights, contexts, self._workspace, launcher)
        return part.run(self._prompt, factors), factors

    def drawn(self, context: ImageContext, factors: Factors, launcher: Launcher | None) -> Tensor:
        """Return the logits of three masks of each prompt."""
        dtype = context.shift.dtype
        scaling = self._weights[dtype].up_scaling
        drawing: Drawing | None = PlainDrawing(scaling) if launcher is None else TritonDrawing.of(scaling, launcher)
        if drawing is None:
            raise TypeError("MobileSAM's up-scaling has a LayerNorm over the channels")
        kernels = self._kernels.to(dtype)
        out = kernels.new_empty(len(kernels), 4 * self.size.side, 4 * self.size.side)
        drawing.draw(context, factors, kernels, [MASKS] * self.size.prompts, out, self._workspace)
        return out


def compared(case: Case, arithmetic: Arithmetic, repeats: int) -> Figures:
    """Return errors against torch in float32, which pass or not, and milliseconds of both ways."""
    from samfleet_models.gpu_kernels.launch import Launcher

    launcher = Launcher.on(case.device, arithmetic.products)
    if not (launcher.scores(case.size.tokens, arithmetic.dtype) and launcher.draws(arithmetic.dtype)):
        raise NotHere(f"{launcher.shared_bytes} bytes of shared memory are too few for the kernels")
    exact = results(case, torch.float32, None)
    errors = shares(results(case, arithmetic.dtype, launcher), exact)
    allowed = dict.fromkeys(errors, arithmetic.allowed)
    if arithmetic.like is not None:
        likened = shares(results(case, arithmetic.like, None), exact)
        allowed = {name: arithmetic.allowed * share for name, share in likened.items()}
    context = case.context(arithmetic.dtype)
    _, factors = case.scored(context, None)
    ways = (launcher, None)
    timed = {
        "score": [milliseconds(partial(case.scored, context, way), case, repeats) for way in ways],
        "draw": [milliseconds(partial(case.drawn, context, factors, way), case, repeats) for way in ways],
    }
    return {
        "passed": all(errors[name] <= allowed[name] for name in errors),
        "errors": errors,
        "allowed": allowed,
        **{f"{step}_ms": own for step, (own, _) in timed.items()},
        **{f"{step}_torch_ms": other for step, (_, other) in timed.items()},
        "default_blocks": asdict(Blocks.default(case.size.tokens, arithmetic.dtype.itemsize)),
        "tuned_blocks": launcher.tuning.choices() if launcher.tuning else {},
        "language": language_version(),
    }


def results(case: Case, dtype: torch.dtype, launcher: Launcher | None) -> dict[str, Tensor]:
    context = case.context(dtype)
    tokens, factors = case.scored(context, launcher)
    found = {"tokens": tokens, "factors": factors.image, "scale": factors.scale}
    found["logits"] = case.drawn(context, factors, launcher)
    return {name: result.float().clone() for name, result in found.items()}


def shares(found: dict[str, Tensor], exact: dict[str, Tensor]) -> dict[str, float]:
    """Return the largest difference of each result, as a share of its largest number; NaN if it is not finite."""
    return {name: float((found[name] - exact[name]).abs().max() / exact[name].abs().max()) for name in exact}


def milliseconds(work: Callable[[], object], case: Case, repeats: int) -> float:
    """Return the median of `repeats`, after one that compiles."""
    samples = []
    for _ in range(repeats + 1):
        synchronize(case.device)
        begun = time.perf_counter()
        work()
        synchronize(case.device)
        samples.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(samples[1:])
