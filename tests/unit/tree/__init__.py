"""Tests of orchestrator.tree."""
