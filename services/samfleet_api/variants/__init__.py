"""Routes of the variants: records, licences, weights, gates.

May import `pools`, `runs`, `samfleet` and the modules at the root of `samfleet_api`.
"""
