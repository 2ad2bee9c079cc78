import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.anomaly.scans.cameras import Camera, flat_yaml
from latticework.core.errors import InputError

PLAIN = {"fx": 500.0, "fy": 510.0, "cx": 2.5, "cy": 1.5}
MVTEC = {
    "camera_type": "area_scan_division",
    "focus": 0.0103431,
    "kappa": -2205.03,
    "sx": 3.74983e-06,
    "sy": 3.75e-06,
    "cx": 376.046,
    "cy": 423.07,
    "image_width": 600,
    "image_height": 800,
}
YAML = b"normalization:\n  max: 3.5\n  min: 2.0\n"


def test_a_plain_camera_is_read_and_millimetres_are_taken_for_granted(write):
    camera = Camera.read(write("a.json", [json.dumps(PLAIN)]))
    assert (camera.fx, camera.fy, camera.cx, camera.cy, camera.scale) == (500, 510, 2.5, 1.5, 0.001)
    camera = Camera.read(write("a.json", [json.dumps(PLAIN | {"scale": 0.0001, "width": 6, "height": 4})]))
    assert (camera.scale, camera.width, camera.height) == (0.0001, 6, 4)


def test_a_camera_of_open3d_is_read(write):
    matrix = [525.0, 0, 0, 0, 526.0, 0, 319.5, 239.5, 1]
    camera = Camera.read(write("a.json", [json.dumps({"width": 640, "height": 480, "intrinsic_matrix": matrix})]))
    assert camera == Camera(525, 526, 319.5, 239.5, width=640, height=480)


@given(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(0.3, 0.6))
def test_the_camera_of_mvtec_sees_points_where_its_distortion_puts_them(tmp_path_factory, x, y, z):
    file = tmp_path_factory.getbasetemp() / "camera_parameters.json"
    file.write_text(json.dumps(MVTEC))
    camera = Camera.read(file)
    # HALCON's own direction, from a point to its pixel: u = 2 u' / (1 + sqrt(1 - 4 kappa (u'^2 + v'^2))).
    u, v = MVTEC["focus"] * x / z, MVTEC["focus"] * y / z
    factor = 2 / (1 + np.sqrt(1 - 4 * MVTEC["kappa"] * (u**2 + v**2)))
    column, row = factor * u / MVTEC["sx"] + MVTEC["cx"], factor * v / MVTEC["sy"] + MVTEC["cy"]
    shifted = Camera(camera.fx, camera.fy, camera.cx - column, camera.cy - row, kappa=camera.kappa)
    assert np.allclose(shifted.unproject(np.array([[z]])), [[[x, y, z]]], atol=1e-6)


def test_depths_of_eyecandies_lie_between_two_bounds(write):
    camera = Camera.read(write("info_depth.yaml", YAML))
    raw = np.zeros((512, 512), dtype=np.uint16)
    raw[:, 1] = 65535
    xyz = camera.unproject(raw)
    assert xyz[0, 0].tolist() == pytest.approx([-256 * 2 / 711.11, -256 * 2 / 711.11, 2.0])  # 0 is a depth
    assert xyz[256, 1].tolist() == pytest.approx([-255 * 3.5 / 711.11, 0, 3.5])
    with pytest.raises(InputError, match="depth is 6 x 4, but the camera's pictures are 512 x 512"):
        camera.unproject(raw[:4, :6])


def test_points_are_seen_where_they_came_from():
    camera = Camera(500, 510, 2.5, 1.5, scale=0.0005)
    raw = np.random.default_rng(0).integers(1, 65536, (4, 6)).astype(np.uint16)
    x, y, z = np.moveaxis(camera.unproject(raw), -1, 0)
    assert np.allclose(z, raw * 0.0005)
    assert np.allclose(500 * x / z + 2.5, np.arange(6)[None, :], atol=1e-4)
    assert np.allclose(510 * y / z + 1.5, np.arange(4)[:, None], atol=1e-4)


def test_no_return_is_nan():
    depth = np.array([[0.0, np.nan, np.inf, -1.0, 1.0]])
    xyz = Camera(1, 1, 0, 0).unproject(depth)  # floats are metres
    assert np.isnan(xyz).all(-1).tolist() == [[True, True, True, True, False]]
    assert xyz[0, 4].tolist() == [4, 0, 1]
    assert np.isnan(Camera(1, 1, 0, 0).unproject(np.zeros((1, 1), dtype=np.uint16))).all()


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.json", b"", "is no JSON file of a camera"),
        ("a.json", b"[1]", "expected a JSON object with fx, fy, cx and cy"),
        ("a.json", b"[" * 100_000, "is no JSON file of a camera"),
        ("a.json", b"\xff\xfe", "is no JSON file of a camera"),
        ("a.json", b'{"fx": NaN}', "is no JSON file of a camera: NaN is not a JSON number"),
        ("a.json", b'{"fx": 1, "fy": 1}', "the camera has no cx, cy"),
        ("a.json", b'{"fx": "1", "fy": 1, "cx": 0, "cy": 0}', "fx='1': expected a positive number"),
        ("a.json", b'{"fx": 0, "fy": 1, "cx": 0, "cy": 0}', "fx=0: expected a positive number"),
        ("a.json", b'{"fx": true, "fy": 1, "cx": 0, "cy": 0}', "fx=True: expected a positive number"),
        ("a.json", b'{"fx": 1, "fy": 1, "cx": null, "cy": 0}', "cx=None: expected a number"),
        ("a.json", b'{"fx": 1, "fy": 1, "cx": 1' + b"0" * 400 + b', "cy": 0}', "cx=1000.*: expected a number"),
        ("a.json", b'{"fx": 1, "fy": 1, "cx": 0, "cy": 0, "scale": -1}', "scale=-1: expected a positive"),
        ("a.json", b'{"fx": 1, "fy": 1, "cx": 0, "cy": 0, "width": "6"}', "width='6': expected a positive"),
        ("a.json", b'{"intrinsic_matrix": [1, 2]}', "intrinsic_matrix has 2 numbers, expected 9"),
        ("a.json", b'{"focus": 1, "sx": 1, "sy": 1, "camera_type": "line"}', "camera_type is 'line'"),
        ("a.json", b'{"focus": 1, "sx": 1, "sy": 0}', "sy=0: expected a positive number"),
        ("a.json", b'{"focus": 1e300, "sx": 1e-300, "sy": 1, "cx": 0, "cy": 0}', "too large or too small for a camera"),
        ("a.json", b'{"focus": 1e200, "sx": 1, "sy": 1, "cx": 0, "cy": 0, "kappa": 1}', "too large or too small"),
        ("a.yaml", b"max: 3\n", "is no YAML file of a camera: there are no lines min: and max:"),
        ("a.yaml", b"max: 3\r\nmin: 1\r\n# max: 2\r\n  max: 4\r\n", "camera: line 4 is the second with max"),
        ("a.yaml", b"max: x\nmin: 1\n", "is no YAML file of a camera: could not convert"),
        ("a.yaml", b"max: 1_0\nmin: 1\n", "is no YAML file of a camera: could not convert string to float: '1_0'"),
        ("a.yaml", "max: \u0663\nmin: 1\n".encode(), "is no YAML file of a camera: could not convert"),
        ("a.yaml", b"max: nan\nmin: 1\n", "max=nan: expected a positive number"),
        ("a.yaml", b"max: 1\nmin: 1\n", "depths are from 1.0 to 1.0 m"),
    ],
)
def test_what_is_no_camera_is_refused(write, name, content, message):
    with pytest.raises(InputError, match=message):
        Camera.read(write(name, content))


def test_what_is_no_depth_is_refused():
    for depth in (np.zeros((4, 6, 3)), np.zeros((4, 6), dtype=bool)):
        with pytest.raises(InputError, match="expected numbers"):
            Camera(1, 1, 0, 0).unproject(depth)


@given(st.text())
def test_any_text_has_some_lines_or_none(text):
    assert all(isinstance(value, str) for value in flat_yaml(text, ("a", "A")).values())


@pytest.mark.realdata("anomaly/mvtec3d_tire_rgb_half")
def test_the_camera_of_the_tires_is_read(data_folder):
    file = data_folder / "anomaly/mvtec3d_tire_rgb_half/calibration/camera_parameters.json"
    camera = Camera.read(file)
    assert (camera.height, camera.width) == (800, 600)
    assert camera.fx == pytest.approx(2758.3, abs=0.1)
