"""Routes of other sites: import and export of measurements, trust.

May import `samfleet` and the modules at the root of `samfleet_api`.
"""
