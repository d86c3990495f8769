"""RUN RECORD → MAIL: what a mailing list is told, and whom it goes to. ``compose`` puts it together; pure throughout."""
