"""What a Dask cluster costs: for how many workers one coordinator is enough."""
