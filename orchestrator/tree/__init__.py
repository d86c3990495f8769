"""A series to trees: kernel sources, the base, and the ladder of ways to put a patch on it."""
