"""Studies of any length by several workers; the stage `tune` is the short one of every run."""
