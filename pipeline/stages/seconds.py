"""What a fit takes, also if it was interrupted."""

import statistics
import time

import numpy as np


class Seconds:
    """What a fit takes, from its start."""

    def __init__(self) -> None:
        self._marks = [time.perf_counter()]
        self._cpu = [time.process_time()]

    def mark(self) -> None:
        """An epoch has ended."""
        self._marks.append(time.perf_counter())
        self._cpu.append(time.process_time())

    @property
    def networks(self) -> float:
        """Until the last epoch."""
        return round(self._marks[-1] - self._marks[0], 2)

    @property
    def epoch(self) -> float:
        """The median of an epoch."""
        return round(float(statistics.median(np.diff(self._marks))), 4)

    @property
    def cpu_networks(self) -> float:
        """Seconds of all cores together until the last epoch."""
        return round(self._cpu[-1] - self._cpu[0], 2)

    @property
    def cpu_epoch(self) -> float:
        """The median of an epoch, seconds of all cores together."""
        return round(float(statistics.median(np.diff(self._cpu))), 4)

    def total(self) -> float:
        """Until now."""
        return round(time.perf_counter() - self._marks[0], 2)

    def cpu_total(self) -> float:
        """Until now, seconds of all cores together."""
        return round(time.process_time() - self._cpu[0], 2)

    def kept(self) -> list[list[float]]:
        """The ends of the epochs so far, from the start: wall and CPU seconds."""
        return [[mark - marks[0] for mark in marks] for marks in (self._marks, self._cpu)]

    def resume(self, kept: list[list[float]]) -> None:
        """Count what `kept` tells of as well; what came after it and was lost counts nothing."""
        (wall, cpu), now = kept, (time.perf_counter(), time.process_time())
        self._marks = [now[0] - wall[-1] + mark for mark in wall]
        self._cpu = [now[1] - cpu[-1] + mark for mark in cpu]
