"""Tests of orchestrator.intake."""
