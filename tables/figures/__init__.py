"""Pictures of what the records say."""

import os

os.environ["MPLBACKEND"] = "agg"  # they are files: a notebook's or a window's backend need not be here
