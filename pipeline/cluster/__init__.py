"""Work on a Dask cluster: reaching it, and running processes there. Knows no torch and no Prefect.

Dask comes with the extra `teams` and is imported when a cluster is asked for.
"""
