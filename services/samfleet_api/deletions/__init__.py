"""The route of deletions: records of deleted jobs and datasets.

May import `samfleet` and the modules at the root of `samfleet_api`.
"""
