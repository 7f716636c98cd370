"""Readings of a device: memory, utilization, power, energy.

Imports no other folder but `device`.
"""
