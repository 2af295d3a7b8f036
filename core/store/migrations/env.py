"""Alembic's entry: runs over the connection that ``core.store.database.upgrade`` hands in."""

from alembic import context

from core.store.tables import Row

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
