"""Routes of reports: parameters as query strings, rows as JSON or CSV.

May import `pools`, `samfleet` and the modules at the root of `samfleet_api`.
"""
