"""Brings a database to the newest schema and registers the bootstrap key: `python -m samfleet.db.migrate`."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from samfleet.config import Settings
from samfleet.db.keys import hash_key
from samfleet.db.models import ApiKey, Tenant
from samfleet.db.session import connect, transaction
from samfleet.paths import asset

DEFAULT_TENANT = "default"


def alembic_config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(asset("migrations")))
    config.set_main_option("file_template", "%%(year)d-%%(month).2d-%%(day).2d_%%(slug)s")
    config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str) -> None:
    command.upgrade(alembic_config(database_url), "head")


def register_key(database_url: str, key: str, *, tenant: str = DEFAULT_TENANT, name: str = "bootstrap") -> None:
    """Make `key` valid for `tenant`, creating the tenant when it is new; a second call changes nothing."""
    engine = connect(database_url)
    with transaction(engine) as session:
        session.execute(insert(Tenant).values(name=tenant).on_conflict_do_nothing(index_elements=["name"]))
        tenant_id = session.scalars(select(Tenant.id).where(Tenant.name == tenant)).one()
        values = {"tenant_id": tenant_id, "name": name, "key_sha256": hash_key(key)}
        session.execute(insert(ApiKey).values(values).on_conflict_do_nothing(index_elements=["key_sha256"]))
    engine.dispose()


def main() -> None:
    settings = Settings()
    upgrade(settings.database_url)
    if settings.bootstrap_api_key:
        register_key(settings.database_url, settings.bootstrap_api_key)


if __name__ == "__main__":
    main()
