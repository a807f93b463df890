"""Migrations of the database, in order, one file per revision in `versions/`; never changed once released.

To change a table: change its class, add a revision by hand, and let tests/unit/storage/test_migrations.py
compare the two on SQLite and PostgreSQL. A revision runs in one transaction, and can be undone.
"""
