"""Exports: files made of a run's results in the background, kept in the object store.

May import `reviews` and below. Jobs know only the table, which they clean up.
"""
