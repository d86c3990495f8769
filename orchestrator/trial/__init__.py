"""A trial to measurements: sealed and live scripts over one machine."""
