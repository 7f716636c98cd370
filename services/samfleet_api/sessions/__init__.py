"""The browser's login: sessions, cookies, login links, wrong keys.

May import `keys`, `samfleet` and the modules at the root of `samfleet_api`.
"""
