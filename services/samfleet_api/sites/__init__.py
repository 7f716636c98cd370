"""Routes of other sites: import and export of measurements, trust.

May import `reports`, `samfleet` and the modules at the root of `samfleet_api`.
"""
