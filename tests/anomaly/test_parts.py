import numpy as np
import pytest
from anomaly.grounds import ball, block, disc, overlap, table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from latticework.anomaly.preparation.parts import components, convex_hull, fill_holes, find_part, keep_pieces
from latticework.anomaly.scans.pcd import read_pcd
from latticework.anomaly.scans.sample_files import read_sample
from latticework.anomaly.scans.samples import Sample
from latticework.core.errors import InputError

WHERE = disc(224, 224, 100, 120, 45)


def sample(heights, mask=None, **options):
    return Sample.of(xyz=table(*heights.shape, heights=heights, **options), mask=mask, name="a")


@pytest.mark.parametrize("tilt", [0.0, 20.0, 45.0])
@pytest.mark.parametrize("noise", [0.0, 0.00015, 0.0005])
def test_a_part_on_a_clean_table_is_found_to_the_pixel(tilt, noise):
    part = find_part(sample(np.where(WHERE, 0.02, 0.0), tilt=tilt, noise=noise))
    # Beyond the pixels that did not return at its edge, nothing is missing, and nothing is too many.
    assert not (part.mask & ~WHERE).any()
    assert (WHERE & ~part.mask).sum() <= 10
    assert part.plane is not None
    assert part.doubt == ""


@pytest.mark.parametrize("noise, least", [(0.001, 0.99), (0.002, 0.97)])
def test_a_part_in_noise_is_found_but_for_its_edge(noise, least):
    assert overlap(find_part(sample(np.where(WHERE, 0.02, 0.0), noise=noise)).mask, WHERE) >= least


def test_missing_returns_in_a_part_belong_to_it():
    xyz = table(heights=np.where(WHERE, 0.02, 0.0), noise=0, missing=0)
    xyz[90:100, 110:118] = np.nan
    assert np.array_equal(find_part(Sample.of(xyz=xyz)).mask, WHERE)


def test_a_hole_through_a_part_belongs_to_it_and_the_middle_of_a_ring_does_not():
    small, large = disc(224, 224, 100, 120, 5), disc(224, 224, 100, 120, 20)
    for hole, filled in ((small, True), (large, False)):
        part = find_part(sample(np.where(WHERE & ~hole, 0.02, 0.0), noise=0, missing=0)).mask
        assert np.array_equal(part, WHERE if filled else WHERE & ~hole)


def test_specks_are_left_out_and_pieces_of_a_broken_part_kept():
    speck, crumb = disc(224, 224, 30, 30, 4), disc(224, 224, 190, 60, 18)
    scan = sample(np.where(WHERE | speck | crumb, 0.02, 0.0), noise=0, missing=0)
    assert np.array_equal(find_part(scan).mask, WHERE | crumb)
    assert np.array_equal(find_part(scan, pieces=1).mask, WHERE)
    assert np.array_equal(find_part(scan, pieces=0).mask, WHERE | crumb | speck)


def test_what_fell_onto_a_part_belongs_to_it_in_the_middle_and_at_the_edge():
    for column in (120, 162):
        blob = disc(224, 224, 100, column, 8)
        heights = np.where(blob, 0.035, np.where(WHERE, 0.02, 0.0))
        assert np.array_equal(find_part(sample(heights, noise=0, missing=0)).mask, WHERE | blob)


def test_what_is_alone_in_the_scan_is_the_part_whatever_is_flat_in_it():
    for xyz in (block(), ball()):
        part = find_part(Sample.of(xyz=xyz))
        assert np.array_equal(part.mask, ~np.isnan(xyz[..., 2]))
        assert (part.plane, part.doubt) == (None, "")


def test_a_scan_that_was_cut_out_is_not_cut_again():
    raised = np.where(disc(224, 224, 100, 120, 12), 0.03, np.where(WHERE, 0.01, 0.0))
    xyz = table(heights=raised, noise=0, missing=0)
    xyz[~WHERE] = np.nan
    assert find_part(Sample.of(xyz=xyz)).plane is not None  # a disc with a knob could be a table with a part
    assert np.array_equal(find_part(Sample.of(xyz=xyz, mask=WHERE)).mask, WHERE)


def test_a_table_with_nothing_on_it_is_judged_as_a_whole_and_that_is_said():
    part = find_part(sample(np.zeros((100, 100))))
    assert part.plane is None
    assert part.doubt.startswith("hardly anything stands out from the plane at the border, so that the whole picture")
    assert part.mask.all()


def test_a_bump_on_a_flat_part_that_fills_the_picture_is_not_taken_for_the_part():
    scan = sample(np.where(disc(224, 224, 60, 60, 7), 0.004, 0.0))
    assert find_part(scan).mask.mean() > 0.99


def test_points_that_hang_together_nowhere_are_all_judged():
    xyz = table(40, 40)
    few = np.full((40, 40, 3), np.nan, dtype=np.float32)
    few[10, ::4] = xyz[10, :40:4]
    part = find_part(Sample.of(xyz=few))
    assert np.array_equal(part.mask, ~np.isnan(few[..., 2]))
    assert "the points hang together nowhere" in part.doubt


def test_a_mask_limits_the_part_and_counts_alone_where_the_part_is_not():
    heights = np.where(WHERE, 0.02, 0.0)
    half = np.zeros((224, 224), dtype=bool)
    half[:100] = True
    assert np.array_equal(find_part(sample(heights, half, noise=0, missing=0)).mask, WHERE & half)
    corner = np.zeros((224, 224), dtype=bool)
    corner[:20, :20] = True
    part = find_part(sample(heights, corner))
    assert np.array_equal(part.mask, corner)
    assert "outside the mask" in part.doubt


@pytest.mark.parametrize("pieces", [-0.1, 1.1, np.nan, "all", True])
def test_a_share_that_is_none_is_refused(pieces):
    with pytest.raises(InputError, match=r"pieces=.*a share from 0 to 1"):
        find_part(sample(np.zeros((40, 40))), pieces=pieces)


def literal_components(where, xyz, gap):
    """Numbers of what hangs together, by a graph of all links."""
    numbers = np.arange(where.size).reshape(where.shape)
    first, second = [], []
    for one, other in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        near = np.linalg.norm(xyz[one].astype(float) - xyz[other], axis=-1) <= gap
        linked = where[one] & where[other] & near
        first.append(numbers[one][linked])
        second.append(numbers[other][linked])
    first, second = np.concatenate(first), np.concatenate(second)
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(where.size, where.size))
    return np.where(where, connected_components(graph)[1].reshape(where.shape) + 1, 0)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 12))
@settings(max_examples=60)
def test_components_are_those_of_the_graph_of_links(seed, height, width):
    generator = np.random.default_rng(seed)
    xyz = np.zeros((height, width, 3), dtype=np.float32)
    xyz[..., 2] = generator.choice([1.0, 1.001, 1.002, 3.0], (height, width))
    xyz[generator.random((height, width)) < 0.1] = np.nan
    where = (generator.random((height, width)) < 0.7) & ~np.isnan(xyz[..., 2])
    found, expected = components(where, xyz, gap=10.0), literal_components(where, xyz, 10.0)
    pairs = set(zip(found.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == len(np.unique(found)) == len(np.unique(expected))


@given(st.integers(0, 10_000))
@settings(max_examples=60)
def test_links_over_gaps_are_cut(seed):
    generator = np.random.default_rng(seed)
    xyz = table(24, 30, tilt=0, noise=0, missing=0.05, seed=seed)
    xyz[..., 2] += 0.1 * (generator.random((24, 30)) < 0.2)  # most neighbours stay a few millimetres from each other
    where = ~np.isnan(xyz[..., 2])
    found, expected = components(where, xyz, gap=0.06), literal_components(where, xyz, 0.06)
    pairs = set(zip(found.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == len(np.unique(found)) == len(np.unique(expected)) > 2


def test_a_gap_in_depth_parts_what_touches_in_the_picture():
    xyz = table(60, 60, tilt=0, noise=0, missing=0)
    xyz[:, 30:, 2] += 0.02
    labels = components(np.ones((60, 60), dtype=bool), xyz)
    assert labels.max() == 2
    assert np.array_equal(labels == labels[0, 0], np.arange(60) < np.full((60, 1), 30))
    assert components(np.ones((60, 60), dtype=bool), xyz, gap=0.03).max() == 1
    assert components(np.ones((60, 60), dtype=bool)).max() == 1


def test_on_a_coarse_grid_neighbours_are_farther_from_each_other():
    xyz = table(12, 12, tilt=30, noise=0, missing=0)
    assert np.linalg.norm(np.diff(xyz[0], axis=0), axis=-1).min() > 0.006
    assert components(np.ones((12, 12), dtype=bool), xyz).max() == 1


def test_nothing_has_no_components_no_pieces_and_no_holes():
    nothing = np.zeros((4, 5), dtype=bool)
    assert not components(nothing).any()
    assert not keep_pieces(components(nothing), 0.5).any()
    assert not fill_holes(nothing).any()


def test_a_hole_that_is_open_to_the_outside_stays():
    mask = np.ones((40, 40), dtype=bool)
    mask[:3, 5] = mask[20, 20] = False
    filled = fill_holes(mask)
    assert not filled[:3, 5].any()
    assert filled[20, 20]
    assert not mask[20, 20]


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_the_convex_hull_has_the_mask_and_every_pixel_between_two_of_its_own(seed):
    generator = np.random.default_rng(seed)
    mask = generator.random((9, 11)) < generator.uniform(0.02, 0.5)
    mask[generator.integers(9), generator.integers(11)] = True
    hull = convex_hull(mask)
    assert hull[mask].all()
    inside = np.argwhere(mask)
    middles = (inside[:, None] + inside[None]) / 2
    whole = (middles % 1 == 0).all(axis=-1) & bool(np.linalg.matrix_rank(inside - inside[0]) == 2)
    rows, columns = middles[whole].astype(int).T
    assert hull[rows, columns].all()
    assert np.array_equal(convex_hull(hull), hull)


def picture(seed=0, noise=3.0, size=(160, 200)):
    """A grey part on a backdrop that is lit from one side."""
    generator = np.random.default_rng(seed)
    part = disc(*size, 80, 90, 40)
    light = np.linspace(150, 210, size[1])[None, :, None] * np.array([1.0, 0.95, 0.9])
    colours = np.where(part[..., None], 90, light) + noise * generator.standard_normal((*size, 3))
    return np.clip(colours, 0, 255).astype(np.uint8), part


@pytest.mark.parametrize("noise", [0.0, 3.0, 8.0])
def test_of_colours_alone_the_part_is_what_differs_from_an_unevenly_lit_background(noise):
    rgb, part = picture(noise=noise)
    found = find_part(Sample.of(rgb=rgb))
    assert found.doubt == ""
    assert found.mask[part].all()
    assert not found.mask[~disc(160, 200, 80, 90, 44)].any()  # a margin, since edges are blurred


def test_what_looks_like_the_background_within_a_part_is_part_of_it():
    rgb, part = picture()
    rgb[60:100, 80:100] = rgb[10, 80:100]
    rgb[75:85, 80:140] = rgb[11, 80:140]  # open to the outside
    assert find_part(Sample.of(rgb=rgb)).mask[part].mean() > 0.99


@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((60, 80, 3), dtype=np.uint8),
        np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8),
        np.where(np.arange(80)[:, None] < 40, 20, 220)
        .repeat(60, axis=1)
        .T[..., None]
        .repeat(3, axis=2)
        .astype(np.uint8),
        np.full((6, 6, 3), 9, dtype=np.uint8),
    ],
    ids=["all one", "noise", "two halves", "tiny"],
)
def test_where_colours_show_no_background_everything_is_judged_and_that_is_said(rgb):
    part = find_part(Sample.of(rgb=rgb))
    assert part.doubt.startswith("no background can be told from the part by its colours")
    assert part.mask.all()


def test_what_is_told_apart_is_not_doubted():
    assert find_part(Sample.of(rgb=picture()[0])).doubt == ""


@pytest.mark.realdata("anomaly/mosd")
@pytest.mark.parametrize("name", ["learn0", "test0"])
def test_on_real_scans_both_objects_are_found(data_folder, name):
    cloud = read_pcd(data_folder / f"anomaly/mosd/{name}.pcd")
    scan, objects = Sample.of(xyz=cloud.xyz), cloud.fields["label"] >= 20
    found = find_part(scan).mask
    assert overlap(found & scan.returned, objects) >= 0.98  # measured: 0.992 and 0.987
    assert overlap(found, objects) >= 0.97  # with the missing returns within them: 0.979 and 0.987


@pytest.mark.realdata("anomaly/mvtec3d_tire_rgb_half")
def test_real_tires_are_told_from_a_dark_background_by_their_colours(data_folder):
    for file in sorted((data_folder / "anomaly/mvtec3d_tire_rgb_half/train/good/rgb").glob("*.png"))[::10]:
        found = find_part(read_sample(file))
        assert found.doubt == ""
        assert 0.33 < found.mask.mean() < 0.38
