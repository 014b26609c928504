"""Everything that was found -> one self-contained reports/report.html."""

from pathlib import Path

from pipeline.artifacts import files, paths
from pipeline.config import Config


def run(config: Config) -> list[Path]:
    """Read what the earlier stages wrote and render the page."""
    from pipeline.reporting import page, sources  # matplotlib takes a second to import

    html = page.render(sources.read())
    with files.whole_file(paths.REPORT) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return [paths.REPORT]
