"""Damaged input for the readers, for longer than a test may take."""
