from __future__ import annotations

import uuid
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware, HardwarePrice
from samfleet.errors import NotFound
from samfleet.reports.query import UNDIVIDED, Dimension, ReportQuery
from samfleet.reports.table import Report, Row, build_report
from samfleet.reports.throughput import MS_PER_HOUR, read_throughput

MEASURED = (
    "n",
    "hours",
    "clock_hours",
    "price_per_hour",
    "currency",
    "cost",
    "cost_per_1000_images",
    "energy_wh",
    "wh_per_1000_images",
)
JOULES_PER_WH = 3600


class HardwareNotFound(NotFound):
    """There is no hardware with this id; GET /v1/hardware lists the hardware that has computed results."""

    code = "hardware_not_found"


def cost(session: Session, query: ReportQuery) -> Report:
    """Report device time (`hours`) at the price of the hardware, and the energy that devices counted.

    Costs are null until a price is set, energy is null without a counter. `wh_per_1000_images` is over the images with
    known energy.

    `clock_hours` is the wall time, including idling and waiting. Runs that share a machine share this time, so costs by
    it would add up to more than the machine's.
    """
    priced = _by_hardware(query)
    keys = priced.keys(without=UNDIVIDED)
    return build_report(session, query.tenant_id, keys, MEASURED, read_cost(session, priced))


def read_cost(session: Session, query: ReportQuery) -> list[Row]:
    prices = {
        price.hardware_id: price
        for price in session.scalars(select(HardwarePrice).where(HardwarePrice.tenant_id == query.tenant_id))
    }
    rows = []
    for row in read_throughput(session, _by_hardware(query)):
        price, hours = prices.get(row["hardware"]), float(row["gpu_ms"]) / MS_PER_HOUR
        total = price.per_hour * hours if price else None
        rows.append(
            {
                **row,
                "hours": hours,
                "clock_hours": row["wall_seconds"] / 3600,
                "price_per_hour": price.per_hour if price else None,
                "currency": price.currency if price else None,
                "cost": total,
                "cost_per_1000_images": total * 1000 / row["n"] if total is not None and row["n"] else None,
                **_energy(row),
            }
        )
    return rows


def _energy(row: Row) -> Row:
    images, watt_hours = int(row["energy_images"]), float(row["energy_j"]) / JOULES_PER_WH
    if not images:
        return {"energy_wh": None, "wh_per_1000_images": None}
    return {"energy_wh": watt_hours, "wh_per_1000_images": watt_hours * 1000 / images}


def set_price(session: Session, tenant_id: uuid.UUID, hardware_id: uuid.UUID, per_hour: float, currency: str) -> None:
    """Set what an hour of this hardware costs the tenant; replaces an earlier price."""
    if session.get(Hardware, hardware_id) is None:
        raise HardwareNotFound(
            f"there is no hardware {hardware_id}; GET /v1/hardware lists the hardware that has computed results"
        )
    values = {"tenant_id": tenant_id, "hardware_id": hardware_id, "per_hour": per_hour, "currency": currency}
    session.execute(
        insert(HardwarePrice)
        .values(values)
        .on_conflict_do_update(
            index_elements=["tenant_id", "hardware_id"], set_={"per_hour": per_hour, "currency": currency}
        )
    )


def _by_hardware(query: ReportQuery) -> ReportQuery:
    """Group by hardware too, because a price is per hardware."""
    return replace(query, group_by=(*query.group_by, Dimension.HARDWARE))
