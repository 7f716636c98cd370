from __future__ import annotations

from fastapi import APIRouter, Depends

from samfleet_api.dependencies import ReadSessionValue, current_tenant
from samfleet_api.hardware.repository import all_hardware
from samfleet_api.hardware.schemas import Hardware, HardwareList
from samfleet_api.problems import problems

router = APIRouter(prefix="/v1/hardware", tags=["hardware"], dependencies=[Depends(current_tenant)])


@router.get(
    "", summary="List the hardware that has computed results", operation_id="hardware_list", responses=problems()
)
def list_hardware(session: ReadSessionValue) -> HardwareList:
    return HardwareList(items=[Hardware.of(row) for row in all_hardware(session)])
