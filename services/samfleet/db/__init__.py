"""Tables, sessions, migrations.

May import `config` and below.
"""
