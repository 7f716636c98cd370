"""The records of the variants, one module per family."""
