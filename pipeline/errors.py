"""What the user can fix. Every message says what was expected, what was found and where.

The command line prints the message of a `RarenodeError` alone, without a traceback, and exits with
code 2. Everything else is a fault of ours: traceback, exit code 1.
"""


def install(extra: str) -> str:
    """The command that installs an extra, as it is tested together with all else."""
    return f".venv/bin/pip install -c constraints.txt -e '.[{extra}]'"


def absent(package: str, use: str, extra: str) -> str:
    """The message of a package that is not installed.

    Args:
        package: its name.
        use: what it is for, a clause such as "which reads the ontology".
        extra: that it is part of.
    """
    return (
        f"expected the package {package}, {use}, found none. Install it with `make install`, or "
        f"with `{install(extra)}`"
    )


class RarenodeError(Exception):
    """Something that the user can fix."""

    def __str__(self) -> str:
        """The message, without what a path or a library may have brought to steer a terminal."""
        message = super().__str__()
        return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in message)


class ConfigError(RarenodeError):
    """A parameter that is unknown, of the wrong type, out of range or at odds with another one."""


class DatasetError(RarenodeError):
    """Data that is missing, unreadable or at odds with itself."""


class TransientError(DatasetError):
    """Data that cannot be had now, but perhaps a little later: trying again may help."""


class HierarchyError(RarenodeError, ValueError):
    """Edges that do not form a hierarchy: a cycle, a self-loop, an unknown node."""


class ValidationError(RarenodeError):
    """Prepared data that breaks an expectation which the pipeline cannot do without."""


class ArtifactError(RarenodeError):
    """A file of an earlier stage, or a bundle, that is missing, damaged or of another schema."""


class WorkspaceError(RarenodeError):
    """A workspace that cannot run: not a DVC repository, locked, not writable."""
