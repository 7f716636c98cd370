"""Requests to addresses that users name: which addresses are allowed, and a client that connects to no other.

May import `errors`.
"""
