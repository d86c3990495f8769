"""``python -m orchestrator`` is the command ``orchestrator``."""

from orchestrator.cli.app import main

main()
