"""The steps in order, each with its share of the run's time, in seconds of nine minutes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Step:
    """A step. `module` of this package has `run(options, recorder)` and is imported only in the step's own process.

    `interpreted` steps run the GPU kernels, on a CPU in Triton's interpreter.
    """

    name: str
    module: str
    share: float
    title: str
    interpreted: bool = False

    def run(self, options: Options, recorder: Recorder) -> None:
        import_module(f"benchmarks.gpu_check.{self.module}").run(options, recorder)


STEPS = (
    Step("parity", "parity", 120, "recorded cases of every family, TF32 off and on"),
    Step("gates", "gates", 60, "bf16 and fp16 against fp32"),
    Step("compiled", "compiled", 90, "CUDA graphs and torch.compile"),
    Step("kernels", "kernels", 150, "the GPU kernels in Triton's language", interpreted=True),
    Step("segevery", "segevery", 120, "SegEvery of three variants"),
    Step("soak", "soak", 45, "200 images in a row"),
    Step("scarce", "scarce", 45, "too little memory"),
    Step("references", "references", 60, "transformers and the plain reference"),
    Step("triton", "triton", 130, "the real Triton by gRPC"),
)
BY_NAME = {step.name: step for step in STEPS}
