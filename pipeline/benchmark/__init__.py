"""Studies of methods on data sets: a grid of cells, each trained and evaluated on its own."""
