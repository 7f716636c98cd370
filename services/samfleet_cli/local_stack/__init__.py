"""The embedded stack: PostgreSQL, Redis, Triton, API and workers as child processes, and `samfleet doctor`.

Imports `samfleet` and no other folder.
"""
