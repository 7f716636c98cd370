from __future__ import annotations

import torch

from samfleet_models.meters.cuda import CudaMeter
from samfleet_models.meters.host import HostMeter
from samfleet_models.meters.meter import DeviceMeter
from samfleet_models.meters.nvml import meter_of_gpu
from samfleet_models.meters.pynvml_library import PynvmlLibrary


def open_meter(device: torch.device) -> DeviceMeter:
    if device.type != "cuda":
        return HostMeter()
    return meter_of_gpu(CudaMeter.of(device), PynvmlLibrary())
