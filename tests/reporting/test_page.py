# ruff: noqa: RUF001  (true minus signs and dashes)
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.artifacts import paths
from pipeline.errors import ArtifactError
from pipeline.reporting import page, sources
from tests.reporting import sample

VOID = {"meta", "input", "br", "link", "img"}


class Reader(HTMLParser):
    """Text, tags and ids; fails where a tag closes that is not open."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        given = dict(attrs)
        assert not [name for name in given if name.startswith("on")]
        self.ids += [given["id"]] if given.get("id") else []
        self.links += [
            value
            for name, value in attrs
            if name in ("href", "src", "xlink:href", "action", "srcset", "data")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def _render(folder: Path, **changes) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return page.render(replace(sources.read(), **changes))


def _metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / paths.METRICS).read_text())


@pytest.fixture(scope="module")
def html(sample_folder: Path) -> str:
    return _render(sample_folder)


@pytest.fixture(scope="module")
def reader(html: str) -> Reader:
    return Reader(html)


# A page takes seconds: what is changed in different sections is changed in one page.


@pytest.fixture(scope="module")
def poor(sample_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """All that may be missing is."""
    folder = tmp_path_factory.mktemp("poor")
    shutil.copytree(sample_folder, folder, dirs_exist_ok=True)
    (folder / paths.EVALUATION / "reliability.json").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = sources.read()
    metrics = found.metrics
    for baseline in metrics["baselines"].values():
        del baseline["difference"]
    del metrics["baselines"]["weighted/paper"], metrics["kinds"]
    metrics["method"] = "weighted/paper"  # as before there were kinds of members
    return Reader(
        _render(
            folder,
            metrics=metrics,
            cost="No cost here.",
            manifest="No manifest here.",
            trials=[],
            best={"schema": 1, "objective": "macro_ap", "methods": {}},
            per_node=found.per_node[["id", "ap_mcloss"]],
            validation={
                "schema": 2,
                "passed": True,
                "expectations": [],
                "drift": {"compared": True, "features": {"total": 1}, "nodes": {"total": 2}},
            },
        )
    )


@pytest.fixture(scope="module")
def odd_html(sample_folder: Path) -> str:
    """Bins without nodes, half a cost, a manifest of an unforeseen shape, and a caution.

    No curves, no outcomes, and a thinned ranking.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(sample_folder)
        metrics = sources.read().metrics
    for result in (metrics["test"], *(b["test"] for b in metrics["baselines"].values())):
        result["by_rarity"][0] |= {"nodes": 0, "macro_ap": None}
        for figures in result["by_rarity"][0]["rules"].values():
            figures.update(dict.fromkeys(figures))
    metrics["test"]["ap_error"] = {"micro_ap": 1.5e-5}
    metrics["caution"] = "Do <b>not</b> quote."
    del metrics["ci95"]["macro_ap/rarity=0"]
    manifest = {
        "schema": 1,
        "params": {"train": {"learning_rate": 0.00110432, "weird": [{"a": None}, {"b": [1, 2]}]}},
        "packages": {f"package-{i}": "1" for i in range(40)},
        sample.HOSTILE: sample.HOSTILE,
    }
    cost = {"schema": 1, "stages": {"train": {}, "tune": {"seconds": 200}}}
    return _render(
        sample_folder,
        metrics=metrics,
        manifest=manifest,
        cost=cost,
        outcomes=None,
        precision_recall="No curves here.",
        reliability={"schema": 1, "methods": {}},
    )


@pytest.fixture(scope="module")
def odd(odd_html: str) -> Reader:
    return Reader(odd_html)


@pytest.fixture(scope="module")
def hostile_html(sample_folder: Path) -> str:
    """Methods, bins, kinds, and images of a rare node have hostile names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(sample_folder)
        found = sources.read()
    assert not isinstance(found.reliability, str)
    curves = found.reliability["methods"]["ours"] | {
        sample.HOSTILE: found.reliability["methods"]["ours"]["all"],
        sample.QUOTES: found.reliability["methods"]["ours"]["all"],
    }
    name = f"{sample.QUOTES}{sample.HOSTILE}"
    shot = {"name": sample.HOSTILE, "p": 0.5, "labels": [sample.HOSTILE], "png": "aGVsbG8="}
    sort = {"total": 1, "examples": [shot]}
    nodes = [
        {"id": "n", "name": sample.HOSTILE, "support": 3}
        | {"found": sort, "missed": sort, "wrong": sort}
    ]
    return _render(
        sample_folder,
        metrics=found.metrics | {"method": name, "kinds": ["network", sample.HOSTILE]},
        per_node=found.per_node.rename(columns={"ap_ours": f"ap_{name}"}),
        reliability={"schema": 1, "methods": {name: curves}},
        images={"schema": 1, "rule": "tuned", "nodes": nodes},
    )


@pytest.fixture(scope="module")
def hostile(hostile_html: str) -> Reader:
    return Reader(hostile_html)


def test_the_page_is_whole_and_its_ids_are_unique(reader):
    assert len(reader.ids) == len(set(reader.ids))
    assert len([tag for tag in reader.tags if tag == "section"]) == 13


def test_every_link_stays_inside_the_page(reader):
    assert reader.links
    assert all(link.startswith("#") for link in reader.links)
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)


def test_nothing_is_loaded_from_elsewhere(html):
    assert not re.search(r"@import|@font-face|url\((?!#)|<link|<img|<iframe|fetch\(", html)


def test_hostile_names_are_data(html, reader):
    assert sample.HOSTILE not in html
    assert reader.tags.count("script") == 2
    assert any(sample.HOSTILE in text for text in reader.text)
    assert sample.QUOTES in node_data(reader)["name"]


def test_342_nodes_fit_into_less_than_3_mb(html):
    assert len(html.encode()) < 3_000_000


def node_data(reader: Reader) -> dict[str, Any]:
    """What the page's script reads."""
    (found,) = [text for text in reader.text if text.startswith('{"methods":')]
    return json.loads(found)


def listed(reader: Reader) -> list[str]:
    """The ids of the table: its script knows all of them, the first ones are written."""
    data = node_data(reader)
    found = [data["id"][place] for place in data["listed"]]
    shown = [text for text in reader.text if re.fullmatch(r"(HP:\d{7}|N:\d{6})", text)]
    start = shown.index(found[0])
    assert shown[start : start + min(len(found), 100)] == found[:100]
    return found


def test_every_node_is_in_the_table(reader):
    assert len(set(listed(reader))) == len(listed(reader)) == 342


def test_the_script_knows_the_hierarchy_and_what_became_of_each_node(reader, sample_folder):
    data = node_data(reader)
    columns = [value for value in data.values() if isinstance(value, list)]
    ids, edges = data["id"], pd.read_csv(sample_folder / paths.HIERARCHY / "edges.csv")
    assert data["name"][5] == sample.HOSTILE
    assert {len(data[key]) for key in ("name", "depth", "parents", "cut", "examples")} == {len(ids)}
    assert len(columns) > 10
    above = {name: set(group["parent"]) for name, group in edges.groupby("child")}
    for node, parents in enumerate(data["parents"]):
        assert {ids[parent] for parent in parents} == above.get(ids[node], set())
        assert not parents or data["depth"][parents[0]] == data["depth"][node] - 1
        assert all(parent < node for parent in parents)
    outcomes = json.loads((sample_folder / paths.EVALUATION / "outcomes.json").read_text())
    for name, node in outcomes["nodes"].items():
        place = ids.index(name)
        assert (data["found"][place], data["cut"][place]) == (node["found"], node["cut"])
        named = [[ids[other], count] for other, count in data["wrong_with"][place]]
        assert named == node["wrong_with"]
    table = pd.read_csv(sample_folder / paths.EVALUATION / "nodes.csv").set_index("id")
    for name, values in data["ap"].items():
        found = pd.Series(values, ids, dtype=float)
        np.testing.assert_allclose(found, table.loc[ids, f"ap_{name}"], atol=5e-5)


def test_without_outcomes_the_page_says_nothing_of_them(odd):
    data = node_data(odd)
    assert data["rule"] is None
    assert set(data["found"]) == {None}


def test_precision_against_recall_is_drawn_for_each_bin_with_positives(html, reader):
    shown = re.findall(r'aria-label="Precision against recall, ([^"]*)\."', html)
    assert shown == [
        "all nodes",
        *(f"{name} positives" for name in ("1-9", "10-29", "30-99", "100+")),
    ]
    text = " ".join(" ".join(reader.text).split())
    assert "H half, P prior matched, T tuned" in text


def test_without_precision_recall_the_page_says_why(odd_html):
    assert "No curves here." in odd_html
    assert "Precision against recall" not in odd_html


def test_a_page_of_few_nodes_leaves_out_none_and_says_nothing_of_it(reader):
    assert "Listed are" not in " ".join(reader.text)


def _many_nodes(sample_folder: Path, changes: dict[str, Any]) -> tuple[list[str], str]:
    """The ids in the table of 100,000 nodes, and the page's text."""
    count = 100_000
    table = pd.DataFrame(
        {
            "id": [f"N:{row:06d}" for row in range(count)],
            "name": "Fracture of the upper end of the left forearm, initial encounter",
            "depth": 5,
            "scored": True,
            "support": np.arange(count)[::-1] % 50_000,
            "test_positives": 1,
            **{f"ap_{method}": 0.12345 for method in ("weighted/paper", "mcloss", "bce", "prior")},
        }
        | {name: values(np.arange(count)) for name, values in changes.items()}
    )
    edges = pd.DataFrame({"child": table["id"][1:], "parent": table["id"][0]})
    nodes = table.assign(depth=(np.arange(count) > 0).astype(int))
    # Pictures take most of the time, and those of a study are no business of the table.
    html = _render(sample_folder, per_node=table, nodes=nodes, edges=edges, trials=[])
    assert len(html.encode()) < 6_000_000
    found = Reader(html)
    return listed(found), " ".join(found.text)


def test_of_many_nodes_the_rarest_that_can_be_learnt_and_tested_are_listed(sample_folder):
    ids, text = _many_nodes(
        sample_folder,
        {"scored": lambda row: row != 49_998, "test_positives": lambda row: row != 99_997},
    )
    # Support falls from 49,999 to 0 twice: rows 49,999 and 99,999 have none. Ties in node order.
    assert ids[:4] == ["N:099998", "N:049997", "N:049996", "N:099996"]
    assert len(ids) == 5_000
    assert "Listed are 5,000 of 100,000 nodes: the rarest of those that are scored" in text


def test_where_few_of_many_nodes_can_be_tested_those_few_are_listed(sample_folder):
    ids, text = _many_nodes(sample_folder, {"test_positives": lambda row: row % 100 == 0})
    assert len(ids) == len(set(ids)) == 1_000
    assert ids[0] == "N:049900"
    assert "Listed are 1,000 of 100,000 nodes: those that are scored" in text


def test_the_headline_gives_the_differences_whatever_their_sign(html):
    text = html.replace("\N{NO-BREAK SPACE}", " ")
    assert "is above bce (+0.0268 [+0.0188, +0.0348]); there is no difference to its" in text
    assert "no difference to its networks alone (+0.00502 [−0.0150, +0.0250]) and mcloss" in text
    assert "In micro AP the ensemble is above mcloss" in text


def test_what_ours_is_stands_beside_its_name(reader):
    text = " ".join(" ".join(reader.text).split())
    kinds = "5 networks, 5 nearest-neighbour members and 5 forests"
    assert f"the ensemble of {kinds} reaches" in text
    for section in ("Reliability", "Rare nodes", "Cost", "How to read this"):
        _, _, after = text.rpartition(f" {section} ")
        assert kinds in after[:3000], section
    assert "weighted/paper the networks of ours alone" in text
    assert "the training time of weighted/paper is part of that of ours" in text


def test_where_one_kind_is_all_nothing_is_said_of_kinds(poor):
    text = " ".join(poor.text)
    assert "forests" not in text
    assert "networks alone" not in text
    assert "Those that learn have the same members" in text


def test_each_decision_rule_is_explained(reader):
    text = " ".join(reader.text)
    rules = text[text.rindex("Decision rules") :]
    for rule in ("half", "prior matched", "tuned"):
        assert f" {rule}  " in rules


def test_reliability_has_a_picture_for_each_rarity_bin_with_entries(html):
    shown = re.findall(r'aria-label="Observed share [^"]*, (\S+) positives\."', html)
    assert shown == ["1-9", "10-29", "30-99", "100+"]  # no node of the sample is of the bin 0


def test_reliability_says_how_it_is_read_and_what_is_left_out(reader):
    text = " ".join(reader.text)
    assert "with a probability near 0.3, three in ten should be positive" in text
    assert "with at least 20 entries" in text
    assert "where it means  not known  rather than  no " in text
    assert "a letter at the middle one, its line over the middle half of them" in text


def test_without_reliability_curves_the_page_says_why(poor):
    text = " ".join(poor.text)
    assert "reports/evaluation/reliability.json is not here: run the stage `evaluate`" in text
    assert "Expected calibration error" not in text


def test_reliability_without_an_entry_has_no_picture(odd_html):
    assert "There are no predictions of scored nodes" in odd_html
    assert "Observed share against" not in odd_html


def test_hostile_names_of_methods_and_bins_are_data(hostile_html, hostile):
    assert sample.HOSTILE not in hostile_html
    assert hostile.tags.count("script") == 2
    assert any(f"{sample.HOSTILE} positives" in text for text in hostile.text)


def test_a_caution_stands_above_every_figure(odd_html, html):
    caution = odd_html.index("Do &lt;b&gt;not&lt;/b&gt; quote.")
    assert caution < odd_html.index('class="facts"')
    assert 'class="caution"' not in html


def test_copies_across_splits_stand_under_the_verdict_with_a_link(
    sample_folder: Path, html: str, reader: Reader
):
    validation = json.loads((sample_folder / paths.VALIDATION / "validation.json").read_text())
    copies = {"total": 4, "test": 9, "test_same_labels": 7, "listed": []}
    found = _render(sample_folder, validation=validation | {"copies": copies})
    line = "7 test examples have the very features and labels of some to learn from"
    assert found.index('class="verdict') < found.index(line) < found.index('class="headline"')
    assert "have the very features" not in html
    assert Reader(found).links.count("#validation") == reader.links.count("#validation") + 1


def test_rare_nodes_that_are_found_are_counted_under_the_verdict(
    sample_folder: Path, html: str, poor: Reader
):
    table = pd.read_csv(sample_folder / paths.EVALUATION / "nodes.csv")
    rare = table[table["scored"] & table["support"].between(1, 29)]
    tested = rare[rare["test_positives"] > 0]
    ours, theirs = (int((tested[f"recall_tuned_{name}"] > 0).sum()) for name in ("ours", "mcloss"))
    count = len(tested)
    assert 0 < count < len(rare)
    document = json.loads((sample_folder / paths.EVALUATION / "precision_recall.json").read_text())
    (decided, right), (others, others_right) = (
        np.sum([document["methods"][m][b]["decided"]["tuned"] for b in ("1-9", "10-29")], axis=0)
        for m in ("ours", "mcloss")
    )
    assert (
        f"Rare nodes found: {ours} of {count}, with {right:,} of {decided:,} positive decisions on "
        f"rare nodes right; by mcloss {theirs} of {count}, with {others_right:,} of {others:,} "
        "positive decisions right (no intervals). Rare is a"
    ) in html
    assert "Rare nodes found" not in " ".join(poor.text)  # no recalls


def test_a_node_without_a_test_example_says_so_and_once_what_helps(sample_folder: Path, html: str):
    table = pd.read_csv(sample_folder / paths.EVALUATION / "nodes.csv")
    learnt = table["scored"] & (table["support"] > 0) & (table["test_positives"] == 0)
    assert learnt.any()
    first = html[html.index('id="node-table"') : html.index('id="node-rest"')]
    # The first hundred rows are written.
    untested = first.count("<small>no test example</small>")
    assert untested == first.count('<td class="n">0 <small>')
    assert untested > 0
    assert f"{learnt.sum()} of these nodes have positives to learn from and no test" in html
    assert "split_by=stratified" not in html  # splits may be given

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(sample_folder)
        dataset = sources.read().dataset | {"splits": "hash of the group"}
    drawn = _render(sample_folder, dataset=dataset)
    assert drawn.count("rarenode run --set prepare.split_by=stratified") == 1
    tested = _render(sample_folder, per_node=table.assign(test_positives=3))
    assert "no test example</small>" not in tested
    assert "of these nodes have positives" not in tested


def test_how_exact_a_thinned_ranking_is_is_said(odd_html, html):
    assert "exact to 1.50e−05" in odd_html
    assert "exact to" not in html


def test_bins_without_nodes_are_left_out(odd):
    parts = [part.strip() for part in odd.text if part.strip()]
    table = parts[parts.index("All methods by rarity") :]
    bins = [part for part in table if part in ("0", "1-9", "10-29", "30-99", "100+")]
    assert bins[0] == "1-9"  # the sample has no node in the bin 0


def test_notice_version_and_notes_of_the_data_are_shown(reader):
    text = " ".join(reader.text)
    assert "This product uses the Human Phenotype Ontology (version 2025-01-16)" in text
    assert "Names of diseases often contain phenotypes" in text


def test_failed_expectations_come_first_with_their_offenders(reader):
    text = " ".join(reader.text)
    assert "5 of 6 expectations are met; no errors, 1 warning." in text
    assert text.index("every scored node has enough positives") < text.index("no cycle")
    assert "37 named" in text


def test_drift_is_said_in_a_sentence(reader, poor):
    assert f"accepted data: no data like {sample.HOSTILE} were" in " ".join(reader.text)
    assert "the accepted data, 1 feature and 2 nodes differ." in " ".join(poor.text)


def test_pruned_and_failed_trials_are_counted(reader):
    assert any(re.search(r"\d+ complete, \d+ pruned, 1 failed", text) for text in reader.text)


def test_without_cost_and_manifest_the_page_says_so(poor):
    text = " ".join(poor.text)
    assert "No cost here." in text
    assert "No manifest here." in text


def test_without_trials_the_page_says_where_the_values_come_from(poor):
    assert "No trials were made" in " ".join(poor.text)


def test_without_differences_the_page_claims_none(poor):
    text = " ".join(poor.text)
    assert "In macro AP no paired difference to mcloss and bce is given." in text
    assert "▲" not in [part.strip() for part in poor.text]


def test_absent_columns_of_the_nodes_are_left_out(poor):
    assert len(node_data(poor)["listed"]) == 342


def test_a_partial_cost_is_shown_as_far_as_it_goes(odd):
    text = " ".join(odd.text)
    assert "3 min 20 s" in text
    assert "No method has left its cost." in text


def test_a_manifest_of_any_shape_is_shown(odd):
    text = " ".join(odd.text)
    assert "0.00110432" in text
    assert "40 entries" in text
    assert odd.tags.count("script") == 2


def test_a_missing_file_of_the_cost_is_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = sources._may_be_missing(paths.COST)
    assert isinstance(found, str)
    assert str(paths.COST) in found


def test_a_damaged_manifest_does_not_stop_the_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths.MANIFEST.parent.mkdir()
    paths.MANIFEST.write_text("{")
    assert "expected JSON in" in str(sources._may_be_missing(paths.MANIFEST))


def test_another_schema_is_refused_and_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths.METRICS.parent.mkdir()
    paths.METRICS.write_text(json.dumps({"schema": 2}))
    with pytest.raises(ArtifactError, match=r"expected schema 1 in reports/metrics.json, found 2"):
        sources.read()


def test_a_node_called_na_keeps_its_name(tmp_path):
    file = tmp_path / "nodes.csv"
    file.write_text("id,name,scored,ap_bce\nNA,null,True,\nb,nan,False,0.5\n")
    table = sources._per_node(file)
    assert table["id"].tolist() == ["NA", "b"]
    assert table["name"].tolist() == ["null", "nan"]
    assert table["scored"].tolist() == [True, False]
    assert table["ap_bce"].isna().tolist() == [True, False]


def test_images_of_rare_nodes_are_shown_and_their_names_are_data(
    hostile_html, hostile, reader, html
):
    assert sample.HOSTILE not in hostile_html
    assert [link for link in hostile.links if link.startswith("data:")] == 3 * [
        "data:image/png;base64,aGVsbG8="
    ]
    assert "images" in hostile.ids
    # What is nobody's picture loads none.
    assert "img-src data:" in hostile_html
    assert "img-src" not in html
    assert "images" not in reader.ids
