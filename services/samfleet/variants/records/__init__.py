"""The records of the variants, a module per family."""
