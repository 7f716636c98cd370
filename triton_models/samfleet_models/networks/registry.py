"""Networks of all families, by the name in `VariantRecord.family`."""

from __future__ import annotations

from collections.abc import Callable

from samfleet.errors import SamfleetError
from samfleet.variants.calibrations import Calibration
from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet_models.batching.interface import Network
from samfleet_models.networks.families import FAMILIES
from samfleet_models.networks.fixed import FixedNetwork
from samfleet_models.networks.onnx.network import OnnxNetwork
from samfleet_models.networks.pico.network import RegionNetwork
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.networks.squeeze.network import SqueezeNetwork
from samfleet_models.networks.yolo.detector_prompted import DetectorPrompted
from samfleet_models.networks.yolo.network import InstanceNetwork
from samfleet_models.precision.calibration import scalings_of
from samfleet_models.precision.dtypes import PrecisionUnsupported

# Families other than image encoders with SAM's kind of heads.
OTHERS: dict[str, Callable[[VariantRecord, Execution | None], Network]] = {
    "onnx": OnnxNetwork,
    "fixed": FixedNetwork,
    "squeeze_sam": lambda record, execution: SqueezeNetwork(record, execution).eval(),
    "pico_sam": lambda record, execution: RegionNetwork(record, execution).eval(),
    "yolo": lambda record, execution: InstanceNetwork(record, execution).eval(),
}


class Int8Unsupported(SamfleetError):
    """int8 is for variants with an image encoder and SAM's kind of decoder; serve this one in another precision."""

    code = "int8_unsupported"


def require_int8(record: VariantRecord) -> None:
    """Raise `Int8Unsupported` unless all networks of the variant have an integer form."""
    if record.family not in FAMILIES or record.detector is not None:
        raise Int8Unsupported(f"{record.name}: {Int8Unsupported.__doc__}")


def network_of(
    record: VariantRecord, execution: Execution | None = None, calibration: Calibration | None = None
) -> Network:
    """Make the network of a record, ready to load its official weights. int8 needs a `calibration`.

    Raises `PrecisionUnsupported` for TF32 in a network without the mask decoder whose kernels compute it.
    """
    if execution is not None and execution.precision == "int8":
        require_int8(record)
        return SamNetwork(record, FAMILIES[record.family], execution, scalings_of(calibration)).eval()
    if execution and execution.products != "ieee" and record.family in OTHERS:
        raise PrecisionUnsupported(f"{record.name} has no products in {execution.products}; serve it in fp32")
    network = (OTHERS.get(record.family) or build_network)(record, execution)
    return network if record.detector is None else DetectorPrompted(network, record.detector, execution)


def build_network(record: VariantRecord, execution: Execution | None = None) -> SamNetwork:
    """Make the untrained network of a record whose family has SAM's kind of heads."""
    return SamNetwork(record, FAMILIES[record.family], execution).eval()
