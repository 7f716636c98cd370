"""Routes of jobs: submit, list, follow by events, cancel, delete.

May import `runs`, `samfleet` and the modules at the root of `samfleet_api`.
"""
