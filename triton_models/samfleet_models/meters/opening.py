from __future__ import annotations

import torch

from samfleet_models.meters.cuda import CudaMeter
from samfleet_models.meters.host import HostMeter
from samfleet_models.meters.meter import DeviceMeter


def open_meter(device: torch.device) -> DeviceMeter:
    return CudaMeter(device) if device.type == "cuda" else HostMeter()
