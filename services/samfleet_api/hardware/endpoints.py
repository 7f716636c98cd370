from __future__ import annotations

from fastapi import APIRouter

from samfleet.reports.known_hardware import known_hardware
from samfleet_api.dependencies import ReadSessionValue, TenantId
from samfleet_api.hardware.schemas import Hardware, HardwareList
from samfleet_api.problems import problems

router = APIRouter(prefix="/v1/hardware", tags=["hardware"])


@router.get(
    "", summary="List the hardware that has computed results", operation_id="hardware_list", responses=problems()
)
def list_hardware(tenant_id: TenantId, session: ReadSessionValue) -> HardwareList:
    """List hardware of this site and of sites whose measurements this tenant has imported."""
    return HardwareList(items=[Hardware.of(row) for row in known_hardware(session, tenant_id)])
