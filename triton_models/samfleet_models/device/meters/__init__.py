"""Readings of a device: memory, utilization, power, energy.

Imports only `device`.
"""
