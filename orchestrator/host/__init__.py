"""The only code that touches the operating system: processes, sandbox, folders and locks, deadlines, probes."""
