"""When and where the pipeline runs: Prefect flows over DVC's stages.

Importing this package sets what Prefect and DVC read from the environment, so it comes before
theirs.
"""

import os

ENVIRONMENT = {
    # A new database takes 13 s and more on a loaded machine; Prefect waits 20 s by default.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    # Nothing keeps a result yet; where something will, it is no pickle.
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
}

for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)
