"""Database: tables, sessions, migrations.

May import `config` and below.
"""
