"""RUN RECORD → one HTML file, and a results folder's index; the only modules that know matplotlib."""

from __future__ import annotations

import logging

# It tells of its list of fonts, and of a home that it cannot write to; who makes a page need not know.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
