"""The stages of the pipeline, and the library behind them in `pipeline.hml`."""
