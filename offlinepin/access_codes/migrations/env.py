"""How Alembic runs the store's migrations: on the connection that the store gives it, in the store's own transaction."""

from alembic import context

from offlinepin.access_codes.schema import Table

context.configure(connection=context.config.attributes["connection"], target_metadata=Table.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
