"""Self-contained HTML pages from Jinja templates: every value is escaped, and no script or other file is needed."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render_page(package: str, template: str, style: str, **values: Any) -> str:
    """Render a template of `package`, from its folder `templates`.

    The template gets the style sheet named `style` as `style`, and as `policy` a content security policy that allows
    this style sheet and images in data URLs, and nothing else.
    """
    environment = _environment(package)
    sheet = environment.get_template(style).render()
    return environment.get_template(template).render(style=Markup(sheet), policy=policy_of(sheet), **values)  # noqa: S704 - a file of ours


def policy_of(sheet: str) -> str:
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def data_url(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


@cache
def _environment(package: str) -> Environment:
    return Environment(
        loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
