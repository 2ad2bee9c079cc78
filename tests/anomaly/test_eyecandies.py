import numpy as np
import pytest
from anomaly.layouts import SIZE, candy

from latticework.anomaly.scans.folders import find_splits, read_folder
from latticework.core.errors import InputError

image_module = pytest.importorskip("PIL.Image")


@pytest.fixture
def candies(tmp_path):
    candy(tmp_path / "train/data", "000")
    candy(tmp_path / "val/data", "000")
    for number, (metadata, defect) in enumerate(
        [
            ("anomalous: 0\nbumps: 0\n", 0),
            ("anomalous: 1\nbumps: 1\ncolors: 0\n", 255),
            ("anomalous: 1\nbumps: 1\ncolors: 1\n", 255),
            ("anomalous: true\n", 255),
            ("something: else\n", 255),
            (None, 0),
        ]
    ):
        candy(tmp_path / "test_public/data", f"{number:02}", metadata, defect)
    return tmp_path


def test_parts_are_listed_with_what_their_labels_say(candies):
    assert list(find_splits(candies)) == ["train", "validation", "test"]
    assert [(part.name, part.label) for part in read_folder(candies)[:2]] == [
        ("train/000", "good"),
        ("val/000", "good"),
    ]
    labels = [part.label for part in read_folder(candies, split="test")]
    assert labels == ["good", "bumps", "combined", "defect", None, None]


def test_a_label_that_is_told_twice_is_refused_with_its_line(candies):
    (candies / "test_public/data/01_metadata.yaml").write_text("anomalous: 1\nother: 1\nother: 2\nanomalous: 0\n")
    with pytest.raises(InputError, match=r"01_metadata\.yaml: line 4 is the second with anomalous$"):
        read_folder(candies)


def test_one_file_brings_its_partners_and_what_lacks_is_told_when_it_is_read(candies):
    folder = candies / "test_public/data"
    (folder / "00_depth.png").unlink()
    first, second, *_ = read_folder(folder, partners="reported")
    with pytest.raises(InputError, match=r"00_depth\.png: there is no such file"):
        first.read()
    for ending in ("image_4", "depth"):
        assert read_folder(folder / f"01_{ending}.png") == [second]
    assert read_folder(folder / "01_image_0.png")[0].read().xyz is None
    with pytest.raises(InputError, match=r"lacks 00_depth\.png"):
        read_folder(folder)


def test_parts_are_read_with_light_4_and_depths_between_the_bounds(candies):
    sample = read_folder(candies, split="test")[1].read()
    assert (sample.rgb == 44).all()
    assert np.allclose(sample.xyz[3, :, 2], 2 + np.arange(SIZE) * 128 / 65535)
    assert np.unique(sample.truth).tolist() == [0, 255]
    assert (sample.name, sample.label, sample.is_good) == ("test_public/01", "bumps", False)
    assert [part.read().is_good for part in read_folder(candies, split="test")[-2:]] == [False, True]
    assert read_folder(candies / "test_public/data")[0].name == "00"


def test_pictures_with_such_a_name_alone_are_pictures(tmp_path):
    for number in range(1, 10):
        image_module.new("RGB", (6, 4)).save(tmp_path / f"bolt_image_{number}.png")
    parts = read_folder(tmp_path)
    assert [part.name for part in parts] == [f"bolt_image_{number}" for number in range(1, 10)]
    assert read_folder(tmp_path / "bolt_image_4.png") == [parts[3]]


def test_missing_depths_are_listed(candies):
    (candies / "train/data/000_depth.png").unlink()
    (candies / "train/data/000_info_depth.yaml").unlink()
    with pytest.raises(InputError, match=r"train/data lacks 000_depth\.png, 000_info_depth\.yaml"):
        read_folder(candies)


def test_pictures_of_which_a_file_tells_whether_they_are_good_lack_their_depths(tmp_path):
    candy(tmp_path, "000", "anomalous: 0\n")
    for file in tmp_path.iterdir():
        if "image" not in file.name and "metadata" not in file.name:
            file.unlink()
    with pytest.raises(InputError, match=r"lacks 000_depth\.png, 000_info_depth\.yaml"):
        read_folder(tmp_path)
