"""The state store: runs, incidents, outbox, audit and their like on SQLite or PostgreSQL."""
