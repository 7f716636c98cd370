"""`samfleet webhooks`: send changes of jobs and runs to URLs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from samfleet_cli.commands.options import ApiKey, ApiUrl, AsJson, Plain, Yes, flag
from samfleet_cli.commands.rows import print_json, print_rows

app = typer.Typer(help="Send changes of jobs and runs to URLs.", no_args_is_help=True)

WebhookId = Annotated[
    str, typer.Argument(help="The webhook's id, as `samfleet webhooks list` shows it, or its first six characters.")
]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", help="Type to send, such as job.completed; may be repeated.", show_default=False),
]
Text = Annotated[str | None, typer.Option("--description", help="A note about the receiver.", show_default=False)]


@app.command("create")
def create(
    url: Annotated[str, typer.Argument(help="An https:// URL with a public address.")],
    event: Events = None,
    description: Text = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Create a webhook and print its secret, which is shown only once. Without --event it receives all types."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        created = client.create_webhook(url, events=event, description=description)
    if as_json:
        print_json(created)
        return
    typer.echo(f"webhook {created['id']}; its secret is not shown again", err=True)
    typer.echo(created["secret"])


@app.command("list")
def list_webhooks(
    as_json: AsJson = False, plain: Plain = False, api_url: ApiUrl = None, api_key: ApiKey = None
) -> None:
    """List webhooks, newest first. No events means all types."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Form

    with connect(choose_api(api_url, api_key)) as client:
        found = list(client.webhooks())
    columns = ("id", "url", "events", "enabled", "disabled_reason", "created_at")
    print_rows(found, columns, Form(as_json, plain), "there are no webhooks")


@app.command("update")
def update(
    webhook_id: WebhookId,
    url: Annotated[str | None, typer.Option(help="A new URL.", show_default=False)] = None,
    event: Events = None,
    description: Text = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Send messages or not.", show_default=False)
    ] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Change the given parts of a webhook. --enable also ends the wait after failures."""
    from samfleet_cli.connection import choose_api, connect

    changes = {"url": url, "events": event, "description": description, "enabled": enabled}
    with connect(choose_api(api_url, api_key)) as client:
        changed = client.update_webhook(webhook_id, changes)
    print_json(changed)


@app.command("delete")
def delete(webhook_id: WebhookId, yes: Yes = False, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Delete a webhook with its pending messages and its log."""
    from samfleet_cli.connection import choose_api, connect

    if not yes:
        typer.confirm(f"delete webhook {webhook_id} with its pending messages?", abort=True)
    with connect(choose_api(api_url, api_key)) as client:
        client.delete_webhook(webhook_id)
    typer.echo(f"webhook {webhook_id} is deleted")


@app.command("rotate")
def rotate(webhook_id: WebhookId, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Replace the secret and print the new one. Messages are signed with both for a day."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        rotated = client.rotate_webhook_secret(webhook_id)
    typer.echo(f"the previous secret is valid until {rotated['previous_secret_until']}", err=True)
    typer.echo(rotated["secret"])


@app.command("test")
def send_test(webhook_id: WebhookId, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Send a message of the type webhook.test."""
    from samfleet_cli.connection import choose_api, connect

    with connect(choose_api(api_url, api_key)) as client:
        sent = client.send_webhook_test(webhook_id)
    typer.echo(
        f"message {sent['message_id']} will be sent; `samfleet webhooks deliveries {webhook_id}` has its outcome"
    )


@app.command("deliveries")
def deliveries(
    webhook_id: WebhookId,
    as_json: AsJson = False,
    plain: Plain = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """List the messages of a webhook with the outcomes of their last attempts, newest first."""
    from samfleet_cli.connection import choose_api, connect
    from samfleet_cli.listing import Form

    with connect(choose_api(api_url, api_key)) as client:
        found = list(client.webhook_deliveries(webhook_id))
    rows = [{**one, **(one["last_attempt"] or {})} for one in found]
    columns = ("id", "type", "state", "attempts", "status", "error_code", "created_at", "due_at")
    print_rows(found if as_json else rows, columns, Form(as_json, plain), "nothing was sent")


@app.command("replay")
def replay(
    webhook_id: WebhookId,
    delivery: Annotated[
        str | None, typer.Option(help="Id of one delivery, as `webhooks deliveries` shows it.", show_default=False)
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(help="Send all messages since this local time.", show_default=False),
    ] = None,
    failed_only: Annotated[bool, flag("--failed-only", help="With --since: only messages that failed.")] = False,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Send one message, or all since a time, again. Messages keep their ids."""
    from samfleet_cli.connection import choose_api, connect

    if (delivery is None) == (since is None):
        raise typer.BadParameter("give either --delivery or --since")
    with connect(choose_api(api_url, api_key)) as client:
        if delivery is not None:
            client.replay_delivery(webhook_id, delivery)
            count = 1
        else:
            moment = since.astimezone().isoformat() if since else ""
            count = client.replay_webhook(webhook_id, moment, failed_only=failed_only)
    typer.echo(f"{count} {'message' if count == 1 else 'messages'} will be sent again")
