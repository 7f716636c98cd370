"""Routes of estimates: time, cost and size of a job before it is submitted.

May import `jobs`, `samfleet` and the modules at the root of `samfleet_api`.
"""
