"""Alembic's environment; the database URL comes from `samfleet.db.migrate.alembic_config`."""

from alembic import context

from samfleet.db.models import Base
from samfleet.db.session import connect

attributes = context.config.attributes
engine = connect(attributes["database_url"], pooling=attributes["pooling"])
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
