"""`rarenode doctor`: what is missing or misconfigured. It looks, and changes nothing."""
