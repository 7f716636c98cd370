"""(b) The gates of MobileSAM in bf16 and fp16 against fp32, measured as by `samfleet variants gate`."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace

from benchmarks.gpu_check.engines import MOBILE_SAM, variant_of
from benchmarks.gpu_check.options import Options
from benchmarks.gpu_check.recorder import NotHere, Recorder
from samfleet.variants.execution import Execution
from samfleet.variants.gates import LEAST_IMAGES
from samfleet_models.precision.dtypes import PrecisionUnsupported
from samfleet_models.serving.engine import EngineSettings
from samfleet_models.tools.gate_measurement import measure_gate

IMAGES, GRID = 16, 32
SMALL_GRID = 8


def run(options: Options, recorder: Recorder) -> None:
    record, path = variant_of(MOBILE_SAM, options)
    task = replace(record.everything, points_per_side=SMALL_GRID if options.small else GRID)
    images = options.photographs(LEAST_IMAGES if options.small else IMAGES)
    for execution in (Execution("bf16"), Execution("fp16")):
        with recorder.item(str(execution)) as figures:
            settings = EngineSettings(device=options.device, execution=execution)
            try:
                gate = measure_gate(record, path, settings, images, task, lambda text: print(text, file=sys.stderr))
            except PrecisionUnsupported as error:
                raise NotHere(error.message) from error
            figures |= {"passed": gate.passed, "points_per_side": gate.points_per_side, **asdict(gate.figures)}
            figures |= {"unscored_prompts": gate.unscored_prompts}
            figures |= {"findings": list(gate.findings), "faults": list(gate.faults)}
