"""The browser's login: sessions, cookies, login links, wrong keys.

May import `samfleet` and the modules at the root of `samfleet_api`.
"""
