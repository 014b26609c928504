"""How fast the core is, and whether that is as fast as it should be: `make bench`."""

import os

# As pipeline/__main__.py runs the stages; has to be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
