"""A mail to a series: archived pages, mboxes, format-patch files and folders of them."""
