"""One's own tables: reading of features, labels and hierarchies in the formats that teams have."""
