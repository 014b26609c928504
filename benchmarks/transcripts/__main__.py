"""`python -m benchmarks.transcripts NAME…`: type what pages show, keep what it prints, quote it.

It runs in a fresh clone of HEAD: commit first. With `--quote` nothing is typed: the fences of
the pages are written again from the transcripts that are there.
"""

import argparse
import json
import os
from pathlib import Path

from benchmarks.transcripts import fences, record
from benchmarks.transcripts.scripts import SCRIPTS


def main() -> int:
    """Record transcripts; 1 if a command did not end as it does in the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transcripts")
    parser.add_argument("name", nargs="+", choices=SCRIPTS)
    parser.add_argument("--quote", action="store_true", help="only write the pages' fences again")
    parser.add_argument(
        "--fashion-mnist",
        type=Path,
        metavar="DIR",
        default=os.environ.get("FASHION_MNIST"),
        help="the folder with its files, for `images`; or the variable FASHION_MNIST",
    )
    asked = parser.parse_args()
    if "images" in asked.name and asked.fashion_mnist is None and not asked.quote:
        parser.error("images: expected --fashion-mnist DIR, found none")
    for name in asked.name:
        if not asked.quote:
            script = SCRIPTS[name]
            found = record.transcript(name, asked.fashion_mnist)
            failed = [
                one["command"]
                for place, one in enumerate(found["commands"])
                if (one["exit"] != 0) != (place in script.refused)
            ]
            if failed:
                print(f"{name}: not as in the page, and not kept: {'; '.join(failed)}")
                return 1
            path = fences.FOLDER / f"{name}.json"
            written = json.dumps(found, indent=1, ensure_ascii=False)
            path.write_text(written + "\n", encoding="utf-8")
        for page in fences.write(name):
            print(f"{name}: {page.relative_to(fences.ROOT)} quotes it anew")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
