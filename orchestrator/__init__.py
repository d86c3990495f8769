"""Tests Linux zswap patches from the mail to the report: build base and patched, boot both, press, compare."""
