"""Routes of runs and their images: results, masks, pictures, exports.

May import `hardware` and `pools`, `samfleet` and the modules at the root of `samfleet_api`.
"""
