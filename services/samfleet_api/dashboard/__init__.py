"""The dashboard: its pages, and in `static` its scripts and styles; `/docs` offline.

May import `samfleet` and the modules at the root of `samfleet_api`.
"""
