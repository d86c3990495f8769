"""RUN RECORD → one HTML file, and a results folder's index; the only modules that know matplotlib."""
