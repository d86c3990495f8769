"""Unit tests of kernel."""
