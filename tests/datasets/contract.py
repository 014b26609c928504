"""What every source keeps to. Inherit `SourceContract` and give the two fixtures."""

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts.prepared import SPLITS
from pipeline.datasets.source import RawDataset, Source
from pipeline.errors import DatasetError
from pipeline.stages import labelling


class SourceContract:
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> Source:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("raw") / "not" / "there" / "yet"
        source.fetch(folder)
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def raw(cls, source: Source, folder: Path) -> RawDataset:
        return source.read(folder)

    @pytest.fixture(scope="class")
    @classmethod
    def fit_rows(cls, raw: RawDataset) -> np.ndarray:
        return np.flatnonzero(np.arange(len(raw.ids)) % 5 > 0)

    @pytest.fixture(scope="class")
    @classmethod
    def built(
        cls, source: Source, raw: RawDataset, fit_rows: np.ndarray
    ) -> tuple[np.ndarray, tuple[str, ...]]:
        return source.features(raw, fit_rows, 40)[:2]

    def test_fetching_again_leaves_files_that_are_right_alone(self, source: Source, folder: Path):
        before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
        assert before
        source.fetch(folder)
        assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before

    def test_files_are_known_by_name_and_checksum(self, source: Source):
        files = source.files()
        assert len({file.name for file in files}) == len(files) > 0
        assert all(file.name == Path(file.name).name for file in files)
        assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in files)

    def test_what_it_is_is_told_in_one_line(self, source: Source):
        assert 0 < len(source.about()) <= 60
        assert "\n" not in source.about()

    def test_missing_raw_files_are_named(self, source: Source, tmp_path: Path):
        with pytest.raises(DatasetError, match=str(tmp_path)):
            source.read(tmp_path)

    def test_there_is_one_of_everything_per_example(self, raw: RawDataset):
        n = len(raw.ids)
        assert n > 0
        assert len(set(raw.ids)) == n
        assert len(raw.groups) == len(raw.labels) == len(raw.attributes) == n
        if raw.splits is not None:
            assert len(raw.splits) == n
            assert set(raw.splits) <= set(SPLITS)

    def test_unknown_labels_fit_the_examples_and_nodes(self, raw: RawDataset):
        assert raw.unknown is None or raw.unknown.shape == (len(raw.ids), len(raw.nodes))

    def test_labels_edges_and_unscored_nodes_are_nodes(self, raw: RawDataset):
        nodes = set(raw.nodes)
        assert {label for labels in raw.labels for label in labels} <= nodes
        assert {end for edge in raw.edges for end in edge} <= nodes
        assert raw.unscored < nodes

    def test_edges_form_a_hierarchy(self, raw: RawDataset):
        assert len(labelling.build(raw.nodes, raw.edges).nodes) == len(raw.nodes)

    def test_provenance_is_told(self, raw: RawDataset):
        assert all(
            isinstance(raw.info[key], str) and raw.info[key] for key in ("source", "version")
        )
        assert isinstance(raw.info["notice"], str)
        assert all(isinstance(note, str) for note in raw.info["notes"])

    def test_images_are_square_bytes_one_per_example(self, raw: RawDataset):
        if (images := raw.images) is None:
            return
        assert len(images.pixels) == len(images.names) == len(raw.ids)
        assert (images.auxiliary_classes is None) or (images.auxiliary is not None)
        for pixels in (images.pixels, images.auxiliary):
            if pixels is not None:
                _, height, width, channels = pixels.shape
                assert pixels.dtype == np.uint8
                assert height == width > 0
                assert channels in (1, 3)
        if images.auxiliary_classes is not None:
            assert images.auxiliary_classes.dtype == np.int64
            assert images.auxiliary_classes.shape == images.auxiliary.shape[:1]
            assert images.auxiliary_classes.min() == 0

    def test_equal_images_of_a_split_share_a_group(self, raw: RawDataset):
        if raw.images is None:
            return
        split = raw.splits or [""] * len(raw.ids)
        groups: dict[tuple[str, bytes], set[str]] = {}
        for name, image, group in zip(split, raw.images.pixels, raw.groups, strict=True):
            groups.setdefault((name, image.tobytes()), set()).add(group)
        assert {len(found) for found in groups.values()} == {1}

    def test_features_are_float32_named_and_vary_where_they_were_fitted(self, built, raw, fit_rows):
        values, names = built
        assert values.dtype == np.float32
        assert values.shape == (len(raw.ids), len(names))
        assert len(set(names)) == len(names)
        assert names or raw.images is not None  # of which features are made later
        assert not np.isinf(values).any()
        assert (np.nanmax(values[fit_rows], axis=0) > np.nanmin(values[fit_rows], axis=0)).all()

    def test_features_of_fitted_rows_do_not_know_the_other_rows(self, source, raw, fit_rows, built):
        """Whatever stands in the rows that were not fitted, the fitted rows' features stay."""
        others = np.setdiff1d(np.arange(len(raw.ids)), fit_rows)
        attributes = raw.attributes.copy()
        attributes.iloc[others] = raw.attributes.iloc[
            np.roll(fit_rows, 3)[: len(others)]
        ].to_numpy()
        changed = RawDataset(**{**vars(raw), "attributes": attributes})
        values, names, _ = source.features(changed, fit_rows, 40)
        assert names == built[1]
        np.testing.assert_array_equal(values[fit_rows], built[0][fit_rows])

    def test_features_are_the_same_twice(self, source, raw, fit_rows, built):
        values, names, _ = source.features(raw, fit_rows, 40)
        assert names == built[1]
        np.testing.assert_array_equal(values, built[0])
