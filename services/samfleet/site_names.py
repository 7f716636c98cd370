"""Names of sites in settings, files and tables."""

from __future__ import annotations

import re

SITE_NAME = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$"
LOCAL_SITE = "local"  # in all reports, the site of this server's measurements


def check_site_name(name: str) -> str:
    if re.fullmatch(SITE_NAME, name) is None or name.casefold() == LOCAL_SITE:
        raise ValueError(
            f"{name!r} cannot be the name of a site; use 1 to 64 letters, digits, '.', '_' and '-', and not "
            f"{LOCAL_SITE!r}, the name of every site for itself"
        )
    return name
