"""contrib/: each file is checked by the tool that will read it, and what is a script is run."""
