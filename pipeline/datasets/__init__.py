"""Where data comes from: a contract, a registry of names, one module per kind of source."""
