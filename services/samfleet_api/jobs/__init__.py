"""Routes of jobs: submit, list, follow by events, change, delete; their history and failures.

May import `runs`, `samfleet` and the modules at the root of `samfleet_api`.
"""
