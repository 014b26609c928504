"""Pages, and parts of them, that commands write: they are what these would write now."""

from collections.abc import Iterator

from benchmarks.speed import table as speed_tables
from pipeline.benchmark import pages
from pipeline.benchmark.study import load
from tests.numbers.claims import ROOT, Said, claim, says, speed


@claim
def the_pages_of_studies_are_written_from_their_results() -> Iterator[Said]:
    for path in sorted(ROOT.glob("benchmarks/*/study.yaml")):
        study = load(path.relative_to(ROOT))
        yield says(study.page, pages.page(study))


@claim
def the_tables_of_the_bench_are_those_of_its_results() -> Iterator[Said]:
    yield says("docs/performance.md", speed_tables.markdown(speed_tables.tables(speed())))
