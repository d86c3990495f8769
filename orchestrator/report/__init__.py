"""A run record to reports."""
