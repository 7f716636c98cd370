"""Single images that a request waits for.

May import what `samfleet_api` may import.
"""
