"""Bring a database to the newest schema and register the bootstrap key: `python -m samfleet.db.migrate`."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.config import Settings
from samfleet.db.audit import MIGRATION, Action, write_audit
from samfleet.db.keys import hash_key
from samfleet.db.locks import process_lock
from samfleet.db.models import ApiKey, BrowserSession, LoginLink, Tenant
from samfleet.db.session import connect, transaction
from samfleet.errors import Conflict
from samfleet.logging import configure_logging, get_logger
from samfleet.paths import asset
from samfleet.pooling import Pooling

log = get_logger(__name__)


class SchemaUnknown(Conflict):
    """The database has a schema of another release."""

    code = "schema_unknown"


LOCK = "samfleet migrations"
BOOTSTRAP = "bootstrap"
DEFAULT_TENANT = "default"


def alembic_config(database_url: str, pooling: Pooling = Pooling.SESSION) -> Config:
    config = Config()
    config.set_main_option("script_location", str(asset("migrations")))
    config.set_main_option("file_template", "%%(year)d-%%(month).2d-%%(day).2d_%%(hour).2d%%(minute).2d_%%(slug)s")
    config.attributes["database_url"] = database_url
    config.attributes["pooling"] = pooling
    return config


def upgrade(database_url: str, pooling: Pooling = Pooling.SESSION) -> None:
    """Bring the database to the newest schema, each step in its own transaction, one process at a time.

    Steps that were interrupted are run again. Raises `SchemaUnknown` if this release does not know the schema.
    """
    engine = connect(database_url, pooling=pooling)
    try:
        with process_lock(engine, LOCK):
            with engine.connect() as connection:
                current = current_schema(connection)
            if current is not None:
                require_known_schema(current)
            command.upgrade(alembic_config(database_url, pooling), "head")
    finally:
        engine.dispose()


def current_schema(connection: Connection) -> str | None:
    """Return the head of the migrations that a database has had; None for an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


def require_known_schema(schema: str) -> None:
    """Raise `SchemaUnknown` if this release has no migration `schema`."""
    scripts = ScriptDirectory.from_config(alembic_config(""))
    if schema not in {script.revision for script in scripts.walk_revisions()}:
        raise SchemaUnknown(
            f"the database has schema {schema}, which this release does not know; run the release that created it, or "
            "start with an empty database (of an embedded stack: another SAMFLEET_STATE_DIR)"
        )


def register_key(
    database_url: str,
    key: str,
    *,
    tenant: str = DEFAULT_TENANT,
    name: str = "registered",
    admin: bool = False,
    pooling: Pooling = Pooling.SESSION,
) -> None:
    """Make `key` valid for `tenant`, creating the tenant if needed; a second call changes nothing."""
    engine = connect(database_url, pooling=pooling)
    with transaction(engine) as session:
        add_key(session, key, tenant=tenant, name=name, is_admin=admin)
    engine.dispose()


def register_bootstrap_key(database_url: str, key: str, pooling: Pooling = Pooling.SESSION) -> None:
    """Make `key` the only bootstrap key: an admin key that revokes former bootstrap keys.

    A revoked key stays revoked and revokes no other, so that the administrator is not locked out.
    """
    engine = connect(database_url, pooling=pooling)
    with transaction(engine) as session:
        row = add_key(session, key, tenant=DEFAULT_TENANT, name=BOOTSTRAP, is_admin=True, is_bootstrap=True)
        if row.revoked_at is not None:
            log.warning("bootstrap_key.revoked", key_id=str(row.id), advice="set another SAMFLEET_BOOTSTRAP_API_KEY")
        else:
            row.is_admin, row.is_read_only, row.is_bootstrap = True, False, True
            _revoke_former(session, row)
    engine.dispose()


def add_key(session: Session, key: str, *, tenant: str, **fields: object) -> ApiKey:
    """Return the row of `key`, which is made with these fields, and its tenant too, if they are missing."""
    session.execute(insert(Tenant).values(name=tenant).on_conflict_do_nothing(index_elements=["name"]))
    tenant_id = session.scalars(select(Tenant.id).where(Tenant.name == tenant)).one()
    values = {"tenant_id": tenant_id, "key_sha256": hash_key(key), **fields}
    added = insert(ApiKey).values(values).on_conflict_do_nothing(index_elements=["key_sha256"]).returning(ApiKey.id)
    is_new = session.scalars(added).one_or_none() is not None
    row = session.scalars(select(ApiKey).where(ApiKey.key_sha256 == hash_key(key)).with_for_update()).one()
    if is_new:
        detail = {"name": row.name, "scope": row.scope.value, "expires_at": None}
        write_audit(session, MIGRATION, Action.KEY_CREATED, tenant_id, row.id, **detail)
    return row


def _revoke_former(session: Session, current: ApiKey) -> None:
    former = ApiKey.is_bootstrap & ApiKey.revoked_at.is_(None) & (ApiKey.id != current.id)
    revoked = session.scalars(update(ApiKey).where(former).values(revoked_at=func.now()).returning(ApiKey.id)).all()
    for opened in (BrowserSession, LoginLink):
        session.execute(delete(opened).where(opened.api_key_id.in_(revoked)))
    for key_id in revoked:
        write_audit(session, MIGRATION, Action.KEY_REVOKED, current.tenant_id, key_id, name=BOOTSTRAP)
        log.info("bootstrap_key.replaced", key_id=str(key_id))


def main() -> None:
    settings = Settings()
    configure_logging(settings.log_level, settings.log_format)
    upgrade(settings.database_url, settings.database_pooling)
    if settings.bootstrap_api_key:
        register_bootstrap_key(settings.database_url, settings.bootstrap_api_key, settings.database_pooling)


if __name__ == "__main__":
    main()
