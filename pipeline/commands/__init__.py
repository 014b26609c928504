"""The commands of `rarenode`, one file each; what a command needs is imported only when it runs."""
