"""Other sites that a tenant imports measurements from, and the names that they may use."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware, ImageResult, ReportSeries, Site
from samfleet.errors import Conflict, Forbidden, NotFound
from samfleet.sites.key import fingerprint
from samfleet.sites.lines import Header


class SiteNotTrusted(Forbidden):
    """This site is not trusted yet; compare its fingerprint with the one that its owner states, then trust it."""

    code = "site_not_trusted"


class SiteKeyChanged(Conflict):
    """The file names a site that is known here with another key; ask its owner, and forget the former site."""

    code = "site_key_changed"


class SiteNotFound(NotFound):
    """No measurements were imported from a site of this name; GET /v1/sites lists the imported sites."""

    code = "site_not_found"


def known_sites(session: Session, tenant_id: uuid.UUID) -> Sequence[tuple[Site, int]]:
    """Return the sites by name, each with the number of its runs here."""
    query = (
        select(Site, func.count(ReportSeries.origin_run_id.distinct()))
        .outerjoin(ReportSeries, ReportSeries.site_id == Site.id)
        .where(Site.tenant_id == tenant_id)
        .group_by(Site.id)
    )
    return [(row[0], row[1]) for row in session.execute(query.order_by(Site.name))]


def forget_site(session: Session, tenant_id: uuid.UUID, name: str) -> None:
    """Delete a site with everything imported from it, and the machines that no other measurement uses."""
    site_id = session.scalars(select(Site.id).where(Site.tenant_id == tenant_id, Site.name == name)).one_or_none()
    if site_id is None:
        raise SiteNotFound(
            f"no measurements were imported from a site {name!r}; GET /v1/sites lists the imported sites"
        )
    of_site = select(ReportSeries.hardware_id).where(ReportSeries.site_id == site_id).distinct()
    machines = [found for found in session.scalars(of_site) if found is not None]
    session.execute(delete(Site).where(Site.id == site_id))
    used = (select(table.hardware_id).where(table.hardware_id == Hardware.id) for table in (ReportSeries, ImageResult))
    session.execute(delete(Hardware).where(Hardware.id.in_(machines), *(~one.exists() for one in used)))


def site_of(session: Session, tenant_id: uuid.UUID, header: Header, trusted: str | None) -> Site:
    """Return the site that signed the file, locked until the end of the transaction.

    A new site needs its fingerprint in `trusted`. The newest file of a site names it: if the site renamed itself, all
    its rows get the new name.
    """
    shown = fingerprint(header.public_key)
    of_key = select(Site).where(Site.tenant_id == tenant_id, Site.public_key == header.public_key)
    site = session.scalars(of_key.with_for_update()).one_or_none()
    if trusted is not None and trusted != shown:
        raise SiteNotTrusted(f"the file is signed with fingerprint {shown}, not with {trusted}, which you trust")
    if site is not None and (site.name == header.site or header.exported_at <= site.exported_at):
        return site
    _require_free_name(session, tenant_id, header)
    if site is None:
        if trusted is None:
            raise SiteNotTrusted(
                f"site {header.site!r} is new here; its fingerprint is {shown}. Compare it with what its owner sees "
                f"(samfleet report sites), then import again with `--trust {shown}`"
            )
        return _new_site(session, tenant_id, header)
    site.name = header.site
    session.execute(update(ReportSeries).where(ReportSeries.site_id == site.id).values(site=header.site))
    return site


def _require_free_name(session: Session, tenant_id: uuid.UUID, header: Header) -> None:
    """Raise `SiteKeyChanged` if a site with another key has the name.

    A site with the same key may have it: a concurrent import may have added the site meanwhile.
    """
    others = (Site.name == header.site, Site.public_key != header.public_key)
    taken = select(Site.public_key).where(Site.tenant_id == tenant_id, *others)
    if (public_key := session.scalars(taken).one_or_none()) is not None:
        raise SiteKeyChanged(
            f"the file says that it is from {header.site!r}, but that site is known here with fingerprint "
            f"{fingerprint(public_key)}, and this file is signed with {fingerprint(header.public_key)}. Ask its owner: "
            f"either use another name there, or forget the former site here (samfleet report forget {header.site})"
        )


def _new_site(session: Session, tenant_id: uuid.UUID, header: Header) -> Site:
    """Add a site. If two imports add it at the same time, the second waits for the first and finds its row."""
    values = {"id": uuid.uuid4(), "tenant_id": tenant_id, "name": header.site, "public_key": header.public_key}
    values |= {"exported_at": header.exported_at, "imported_at": func.now()}
    session.execute(insert(Site).values(values).on_conflict_do_nothing())
    of_key = select(Site).where(Site.tenant_id == tenant_id, Site.public_key == header.public_key)
    site = session.scalars(of_key.with_for_update()).one_or_none()
    if site is None:
        raise SiteKeyChanged
    return site
