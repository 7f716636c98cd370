"""Routes of exports: files made of a run's results, and their formats.

May import `jobs`, `runs`, `samfleet` and the modules at the root of `samfleet_api`.
"""
