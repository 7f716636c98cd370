"""Every family's network by the name that `VariantRecord.family` has."""

from __future__ import annotations

from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet_models.families import FAMILIES
from samfleet_models.network import SamNetwork


def build_network(record: VariantRecord, execution: Execution | None = None) -> SamNetwork:
    """The untrained network of a record, ready for its official weights."""
    return SamNetwork(record, FAMILIES[record.family], execution).eval()
