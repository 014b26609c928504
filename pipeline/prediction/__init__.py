"""`rarenode predict`: from new rows of a table to named nodes."""
