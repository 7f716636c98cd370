"""Labels of other tools, converted to lines of a prompts file."""
