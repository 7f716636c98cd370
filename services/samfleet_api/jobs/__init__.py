"""Routes of jobs: submit, list, follow by events, cancel, delete.

May import `runs`, `samfleet` and the root's modules.
"""
