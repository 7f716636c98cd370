"""Checks of measurements against limits and an earlier baseline, for continuous integration."""
