"""What a check has found."""

import re
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import RarenodeError

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """A line of `rarenode doctor`.

    Attributes:
        check: what was looked at, in a word or two.
        state: `problem` is what a run, or what was configured, will not get past.
        found: what was found, in one line.
        remedy: what to do about it, or what could be done; None where there is nothing.
    """

    check: str
    state: State
    found: str
    remedy: str | None = None


def of_error(check: str, error: RarenodeError) -> Finding:
    """A problem from a message of ours: what was expected and found, then what to do about it."""
    found, _, remedy = str(error).partition(". ")
    return Finding(check, "problem", found, remedy or None)


def plain(text: str) -> str:
    """One line without what would steer a terminal: paths and what libraries say are data."""
    return str(RarenodeError(" ".join(text.split())))


def without_secrets(url: str) -> str:
    """A URL without password, token and query; the user's name stays where it is no token."""
    bare = re.sub(r"[?#].*", "", url)
    if re.match(r"(https?|webdavs?)://", bare, re.IGNORECASE):
        return re.sub(r"//[^/]*@", "//", bare)
    return re.sub(r"//([^/:@]*):[^/]*@", r"//\1@", bare)


def several(items: list[str], shown: int = 5) -> str:
    """The first few of a list, and how many more there are."""
    more = len(items) - shown
    return ", ".join(items[:shown]) + (f" and {more} more" if more > 0 else "")
