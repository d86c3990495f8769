"""Tests; packages, so that they can share builders and two files may bear one name."""
