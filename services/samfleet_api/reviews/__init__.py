"""Routes of reviews: decisions of people about the masks of a run's images.

May import `jobs`, `runs`, `samfleet` and the modules at the root of `samfleet_api`.
"""
