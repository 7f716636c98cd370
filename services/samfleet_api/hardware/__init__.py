"""Routes of hardware: machines that computed results, and their prices.

May import `samfleet` and the modules at the root of `samfleet_api`.
"""
