"""Image files: read safely, scaled to one size, kept as one array; copies across splits."""
