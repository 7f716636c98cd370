"""Alembic's environment; the database URL comes from `samfleet.db.migrate.alembic_config`."""

from alembic import context

from samfleet.db.models import Base
from samfleet.db.session import connect

attributes = context.config.attributes
engine = connect(attributes["database_url"], pooling=attributes["pooling"])
try:
    with engine.connect() as connection:
        # A step that builds an index outside a transaction commits the steps before it.
        context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
finally:
    engine.dispose()
