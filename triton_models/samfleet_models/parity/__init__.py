"""Holds a variant against recorded outputs of its official code: `samfleet variants verify`."""
