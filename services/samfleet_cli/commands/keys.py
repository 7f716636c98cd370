"""`samfleet keys`, `tenants` and `audit`: manage access to a server, with an admin key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain
from samfleet_cli.commands.rows import print_json, print_rows

keys = typer.Typer(help="Create, list and revoke API keys. Needs an admin key.", no_args_is_help=True)
tenants = typer.Typer(help="Create, list, change and disable tenants. Needs an admin key.", no_args_is_help=True)

TenantName = Annotated[str, typer.Argument(help="Name of the tenant.")]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Name of the person or program that will use the key.")],
    tenant: Annotated[
        str | None, typer.Option(help="Tenant whose data the key can access. Default: your own.", show_default=False)
    ] = None,
    scope: Annotated[
        str, typer.Option(help="read, submit (also change what the tenant owns) or admin (also manage access).")
    ] = "submit",
    expires: Annotated[
        datetime | None,
        typer.Option(help="Local time at which the key expires. Default: never.", show_default=False),
    ] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Create a key and print it. It is shown only once: the server stores only its hash."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        created = client.create_key(
            name, tenant=tenant, scope=scope, expires_at=expires.astimezone().isoformat() if expires else None
        )
    if as_json:
        print_json(created)
        return
    typer.echo(f"key {created['id']} of tenant {created['tenant']}; it is not shown again", err=True)
    typer.echo(created["key"])


@keys.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Only keys of this tenant.", show_default=False)] = None,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List keys, newest first, including revoked ones."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Form

    with connect(choose_api(api_url, api_key)) as client:
        found = list(client.keys(tenant=tenant))
    columns = ("id", "name", "tenant", "scope", "created_at", "last_used_at", "expires_at", "revoked_at")
    print_rows(found, columns, Form(as_json, plain), "there are no keys")


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[
        str, typer.Argument(help="The key's id, as `samfleet keys list` shows it, or its first six or more characters.")
    ],
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Revoke a key. It is rejected at once, and browsers that logged in with it are logged out."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        client.revoke_key(key_id)
    typer.echo(f"key {key_id} is revoked")


@tenants.command("create")
def create_tenant(
    name: Annotated[str, typer.Argument(help="Letters, digits, '.', '_' and '-'.")],
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Create a tenant. Then `samfleet keys create NAME --tenant TENANT` creates a key for it."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        created = client.create_tenant(name)
    if as_json:
        print_json(created)
        return
    typer.echo(f"tenant {created['name']} ({created['id']})")


@tenants.command("list")
def list_tenants(as_json: AsJson = False, plain: Plain = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """List tenants, newest first."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Form

    with connect(choose_api(api_url, api_key)) as client:
        found = list(client.tenants())
    limits = ("max_open_jobs", "max_open_images", "requests_per_minute")
    columns = ("id", "name", "weight", *limits, "created_at", "disabled_at")
    print_rows(found, columns, Form(as_json, plain), "there are no tenants")


@tenants.command("show")
def show_tenant(name: TenantName, as_json: AsJson = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Show a tenant, its weight and its limits; a limit that is not shown is the server's default."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        _print_tenant(client.tenant(name), as_json=as_json)


@tenants.command("set")
def set_tenant(
    name: TenantName,
    weight: Annotated[
        float | None,
        typer.Option(min=0.01, max=100, help="Its share of a pool, relative to the others.", show_default=False),
    ] = None,
    max_open_jobs: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER", help="Maximum open jobs; 'default' for the server's setting.", show_default=False
        ),
    ] = None,
    max_open_images: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Maximum images left to record; or 'default'.", show_default=False),
    ] = None,
    requests_per_minute: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Maximum requests of its keys together; or 'default'.", show_default=False),
    ] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Change a tenant. Options change fields; the others stay."""
    from samfleet_cli.connection import choose_api, connect

    changes: dict[str, Any] = {} if weight is None else {"weight": weight}
    changes |= _limits(
        max_open_jobs=max_open_jobs, max_open_images=max_open_images, requests_per_minute=requests_per_minute
    )
    if not changes:
        raise typer.BadParameter("name what to change, such as --weight 2")
    with connect(choose_api(api_url, api_key)) as client:
        _print_tenant(client.set_tenant(name, changes), as_json=as_json)


def _limits(**options: str | None) -> dict[str, int | None]:
    """Return the given limits by field; `default` becomes None."""
    limits: dict[str, int | None] = {}
    for field, given in options.items():
        if given == "default":
            limits[field] = None
        elif given is not None:
            if not given.isdecimal() or int(given) < 1:
                option = f"--{field.replace('_', '-')}"
                raise typer.BadParameter(f"{given!r} is neither a number from 1 nor 'default'", param_hint=option)
            limits[field] = int(given)
    return limits


def _print_tenant(tenant: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(tenant)
        return
    for field, value in tenant.items():
        if value is not None:
            typer.echo(f"{field}: {value}")


@tenants.command("disable")
def disable_tenant(name: TenantName, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Refuse the tenant's keys from now on. Its jobs go on."""
    _switch_tenant(name, api_url, api_key, enabled=False)


@tenants.command("enable")
def enable_tenant(name: TenantName, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Accept the tenant's keys again."""
    _switch_tenant(name, api_url, api_key, enabled=True)


def _switch_tenant(name: str, api_url: str | None, api_key: str | None, *, enabled: bool) -> None:
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        client.switch_tenant(name, enabled=enabled)
    typer.echo(f"tenant {name} is {'enabled' if enabled else 'disabled'}")


def audit(
    tenant: Annotated[
        str | None, typer.Option(help="Only changes that concern this tenant.", show_default=False)
    ] = None,
    action: Annotated[
        str | None, typer.Option(help="Only changes of this kind, such as key.created.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List who changed keys, tenants and webhooks, newest first. Needs an admin key."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Form

    with connect(choose_api(api_url, api_key)) as client:
        found = list(client.audit(tenant=tenant, action=action))
    print_rows(found, ("at", "actor", "action", "tenant", "subject_id"), Form(as_json, plain), "nothing was changed")
