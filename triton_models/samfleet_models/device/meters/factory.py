from __future__ import annotations

import torch

from samfleet_models.device.meters.cuda import CudaMeter
from samfleet_models.device.meters.host import HostMeter
from samfleet_models.device.meters.meter import DeviceMeter
from samfleet_models.device.meters.nvml import meter_of_gpu


def open_meter(device: torch.device) -> DeviceMeter:
    if device.type != "cuda":
        return HostMeter()
    cuda = CudaMeter.of(device)
    try:
        from samfleet_models.device.meters.pynvml_library import PynvmlLibrary
    except ModuleNotFoundError:  # benchmarks and gates run on machines with little more than torch installed
        return cuda
    return meter_of_gpu(cuda, PynvmlLibrary())
