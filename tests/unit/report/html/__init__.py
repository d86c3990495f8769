"""Tests of the page and the index; what they look like in a browser is in tests/contract."""
