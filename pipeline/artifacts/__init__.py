"""What stages hand to each other: paths, formats, cost and manifest. Torch-free."""
