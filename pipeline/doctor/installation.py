"""What is installed, and what the machine has. Asks metadata; torch only where there is a GPU."""

import functools
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.doctor.finding import Finding, several
from pipeline.errors import install

PACKAGE = "rarenode"
PINS = Path("constraints.txt")
_ALL = "`make install` installs the set that is tested together"
_FOR = {  # what an extra is for; those of developers are no affair of the doctor's
    "hpo": "the data sets hpo_eye and hpo_nervous",
    "scale": "the data set icd10cm",
    "go": "F-max and S-min in studies",
    "onnx": "`rarenode export`",
    "images": "pretrained encoders and fine-tuning",
    "teams": "Dask, PostgreSQL, the dashboard of studies",
}
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_TRY_GPU = (
    "import torch; n = torch.cuda.is_available() and torch.cuda.device_count() or 0; "
    "torch.ones(1, device='cuda').sum().item() if n else None; "
    "print(n, torch.cuda.get_device_name(0) if n else '')"
)


def python() -> Iterator[Finding]:
    """The interpreter, and whether rarenode may run on it."""
    from packaging.specifiers import SpecifierSet

    version = platform.python_version()
    found = f"{version} in {sys.executable}"
    try:
        wanted = importlib.metadata.metadata(PACKAGE)["Requires-Python"]
    except importlib.metadata.PackageNotFoundError:
        yield Finding("python", "problem", f"{found}, where {PACKAGE} is not installed", f"{_ALL}.")
        return
    if wanted and not SpecifierSet(wanted).contains(version, prereleases=True):
        yield Finding(
            "python",
            "problem",
            f"expected Python {wanted}, found {found}",
            "Remove .venv, then `make install PYTHON=python3.NN` with a newer one.",
        )
        return
    yield Finding("python", "ok", found)


def packages() -> Iterator[Finding]:
    """Whether all that is required is there, and is the set that is tested together."""
    lacking = sorted(_lacking(()))
    if lacking:
        yield Finding("packages", "problem", f"not as required: {several(lacking)}", f"{_ALL}.")
        return
    if not PINS.is_file():
        yield Finding("packages", "ok", "all that is required; no constraints.txt here to compare")
        return
    pins = _pins()
    here = {name: version for name in pins if (version := _version(name)) is not None}
    other = [
        f"{name} {version} (pinned: {pins[name]})"
        for name, version in here.items()
        if version.partition("+")[0] != pins[name]  # torch calls its builds 2.13.0+cpu
    ]
    if other:
        yield Finding(
            "packages",
            "warning",
            f"{len(other)} of {len(here)} are not of the version in {PINS}: {several(other)}",
            f"{_ALL}.",
        )
        return
    yield Finding("packages", "ok", f"all that is required; {len(here)} as in {PINS}")


def torch() -> Iterator[Finding]:
    """Whether torch computes on the CPU alone, and whether it has to."""
    version = _version("torch")
    if version is None:
        return  # `packages` says so
    build = _cuda_of_torch()
    if build is None:
        if not has_gpu():
            yield Finding("torch", "ok", f"{version}, for the CPU; there is no NVIDIA GPU here")
            return
        yield Finding(
            "torch",
            "warning",
            f"{version}, for the CPU alone, beside an NVIDIA GPU",
            "To use it, install a CUDA build of the same version: https://pytorch.org",
        )
    elif not has_gpu():
        yield Finding("torch", "ok", f"{version}, for CUDA {build}; no NVIDIA GPU here: on the CPU")
    elif (name := gpu()) is not None:
        yield Finding("torch", "ok", f"{version}, for CUDA {build}, on {name}")
    else:
        yield Finding(
            "torch",
            "warning",
            f"{version}, for CUDA {build}, which cannot use the GPU that is here",
            "See what `python -c 'import torch; torch.cuda.init()'` says; often the driver is old.",
        )


def threads() -> Iterator[Finding]:
    """How many cores there are to use, and what OpenMP was told."""
    cores = _cores()
    said = f"{cores} core{'s' if cores > 1 else ''}"
    told = {name: os.environ[name] for name in _THREADS if os.environ.get(name)}
    if wrong := [f"{name}={text}" for name, text in told.items() if _count(text) is None]:
        yield Finding(
            "threads",
            "warning",
            f"{said}; expected a number of at least 1, found {', '.join(wrong)}",
            f"Unset it: without, there are as many threads as cores, {cores}.",
        )
        return
    if many := [f"{name}={text}" for name, text in told.items() if (_count(text) or 0) > cores]:
        yield Finding(
            "threads",
            "warning",
            f"{said} for {', '.join(many)}: threads wait for each other",
            f"Set at most {cores}.",
        )
        return
    if os.environ.get("OMP_WAIT_POLICY", "").upper() == "ACTIVE":
        yield Finding(
            "threads",
            "warning",
            f"{said}; OMP_WAIT_POLICY=ACTIVE lets idle threads keep their cores busy",
            "Unset it: stages then wait passively.",
        )
        return
    limit = _limit()
    if limit is not None and limit < cores and "OMP_NUM_THREADS" not in told:
        fewer = max(1, int(limit))
        yield Finding(
            "threads",
            "warning",
            f"{said}, of which this container may use {limit:g}: as many threads as cores wait "
            "for each other",
            f"export OMP_NUM_THREADS={fewer}",
        )
        return
    settings = ", ".join(f"{name}={text}" for name, text in told.items())
    yield Finding("threads", "ok", f"{said}; {settings or 'OMP_NUM_THREADS is not set'}")


def extras() -> Iterator[Finding]:
    """Which optional parts are here, and how to get the others."""
    try:
        provided = importlib.metadata.metadata(PACKAGE).get_all("Provides-Extra") or []
    except importlib.metadata.PackageNotFoundError:
        return  # `python` says so
    for extra in sorted({*provided} & {*_FOR}):
        check = f"extra {extra}"
        lacking = sorted(_lacking((extra,)) - _lacking(()))
        if not lacking:
            yield Finding(check, "ok", f"here, for {_FOR[extra]}")
            continue
        yield Finding(
            check,
            "warning",
            f"not here or not as required: {several(lacking)}; for {_FOR[extra]}",
            install(extra),
        )


def has_gpu() -> bool:
    """Whether the machine shows an NVIDIA GPU, whoever may use it."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()


@functools.cache
def gpu() -> str | None:
    """The name of the GPU that torch can use, if it can; asked in a process of its own."""
    if _cuda_of_torch() is None or not has_gpu():
        return None
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY_GPU], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    count, _, name = done.stdout.strip().partition(" ")
    return name if done.returncode == 0 and count not in ("", "0") else None


def _cuda_of_torch() -> str | None:
    """The CUDA that torch was built for, as its own version file says."""
    try:
        path = importlib.metadata.distribution("torch").locate_file("torch/version.py")
        text = Path(str(path)).read_text(encoding="utf-8")
    except (importlib.metadata.PackageNotFoundError, OSError):
        return None
    match = re.search(r"^cuda\b[^=]*= *['\"]([\d.]+)['\"]", text, re.MULTILINE)
    return match and match[1]


@functools.cache
def _installed(name: str) -> tuple[str, list[Any]] | None:
    """The version of a package and what it requires, None where it is absent."""
    from packaging.requirements import Requirement

    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    return found.version, [*map(Requirement, found.requires or [])]


def _version(name: str) -> str | None:
    found = _installed(name)
    return found and found[0]


def _pins() -> dict[str, str]:
    lines = PINS.read_text(encoding="utf-8").splitlines()
    pins = (line.partition("#")[0].partition(";")[0].partition("==") for line in lines)
    return {name.strip(): version.strip() for name, equals, version in pins if equals}


@functools.cache
def _lacking(extras: tuple[str, ...]) -> frozenset[str]:
    """What rarenode with some extras requires, directly or not, and is absent or of no fit."""
    lacking: set[str] = set()
    todo, seen = [(PACKAGE, extras)], set[tuple[str, tuple[str, ...]]]()
    while todo:
        asked = name, wanted = todo.pop()
        if asked in seen:
            continue
        seen.add(asked)
        # Of what is absent it was said where it was asked for.
        for requirement in (_installed(name) or ("", []))[1]:
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": one}) for one in ("", *wanted)):
                continue
            version = _version(requirement.name)
            if version is None:
                lacking.add(requirement.name)
            elif not requirement.specifier.contains(version, prereleases=True):
                lacking.add(f"{requirement.name} {version} ({name} wants {requirement.specifier})")
            todo.append((requirement.name, tuple(sorted(requirement.extras))))
    return frozenset(lacking)


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has none
        return os.cpu_count() or 1


def _limit() -> float | None:
    """The cores' worth of time that a container gets, where it has a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # "max", or no cgroup of this kind
        return None


def _count(text: str) -> int | None:
    """The number of threads that OpenMP reads; it may be a list, one for each level."""
    first = text.partition(",")[0].strip()
    return int(first) if first.isascii() and first.isdecimal() and int(first) > 0 else None


def git() -> str | None:
    """Where the program git is."""
    return shutil.which("git")
