import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import transformer as reference

from latticework.nn import SinusoidalPositions, sinusoids

FLOAT32 = 1e-7  # a sine rounded to float32 is off by half of that
LAYOUTS = {"paper": reference.positions, "t2t": reference.positions_of_the_published_code}

layouts = pytest.mark.parametrize("layout", LAYOUTS)
some = settings(max_examples=30)


@some
@given(
    layout=st.sampled_from(list(LAYOUTS)),
    length=st.integers(0, 20),
    half=st.integers(2, 20),
    start=st.integers(0, 100_000),
)
def test_encodings_are_section_3_5(layout, length, half, start):
    encodings = sinusoids(length, 2 * half, layout=layout, start=start)
    assert encodings.dtype == torch.float32
    expected = LAYOUTS[layout](length, 2 * half, start=start).reshape(length, 2 * half)
    np.testing.assert_allclose(encodings, expected, rtol=0, atol=FLOAT32)


def test_wavelengths_run_from_2_pi_to_10000_times_2_pi():
    """The paper's last one falls short of 10000·2π by one ratio; the published code's reaches it."""
    d_model = 8
    quarter = 10_000 * math.pi / 2
    code = torch.cat([sinusoids(1, d_model, layout="t2t", start=round(quarter) * i) for i in range(3)])
    np.testing.assert_allclose(code[:, d_model // 2 - 1], [0, 1, 0], atol=1e-4)
    ratio = 10_000 ** (2 / d_model)
    paper = torch.cat([sinusoids(1, d_model, start=round(quarter / ratio) * i) for i in range(3)])
    np.testing.assert_allclose(paper[:, d_model - 2], [0, 1, 0], atol=1e-2)


@some
@given(p=st.integers(0, 5000), k=st.integers(0, 5000), half=st.integers(1, 64))
def test_shift_of_position_is_a_rotation_that_depends_on_the_shift_alone(p, k, half):
    d_model = 2 * half
    rotation = np.zeros((d_model, d_model))
    for i in range(half):
        angle = k / 10_000 ** (2 * i / d_model)
        cos, sin = math.cos(angle), math.sin(angle)
        rotation[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[cos, sin], [-sin, cos]]
    here, there = (sinusoids(1, d_model, start=at)[0].double().numpy() for at in (p, p + k))
    np.testing.assert_allclose(rotation @ here, there, rtol=0, atol=3 * FLOAT32)


@some
@given(p=st.integers(0, 5000), q=st.integers(0, 5000), k=st.integers(0, 5000), layout=st.sampled_from(list(LAYOUTS)))
def test_dot_product_depends_on_the_offset_alone(p, q, k, layout):
    def product(at):
        return sinusoids(1, 32, layout=layout, start=at)[0] @ sinusoids(1, 32, layout=layout, start=at + k)[0]

    assert product(p).item() == pytest.approx(product(q).item(), abs=16 * 2 * FLOAT32)


@layouts
def test_positions_beyond_the_table_are_computed_on_demand(layout):
    positions = SinusoidalPositions(6, layout=layout)
    nothing = torch.zeros(2, 1000, 6)
    late = positions(nothing[:, :3], start=5000)
    assert torch.equal(late[0], sinusoids(3, 6, layout=layout, start=5000))
    assert torch.equal(positions(nothing)[1], sinusoids(1000, 6, layout=layout))
    fresh = SinusoidalPositions(6, layout=layout)
    assert torch.equal(fresh(nothing), positions(nothing))
    assert torch.equal(fresh(nothing[:, :256]), SinusoidalPositions(6, layout=layout)(nothing[:, :256]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_result_has_the_type_of_the_embeddings(dtype):
    positions = SinusoidalPositions(4).to(dtype)
    added = positions(torch.zeros(1, 700, 4, dtype=dtype))
    assert added.dtype == dtype
    assert torch.equal(added[0], sinusoids(700, 4).to(dtype))


def test_table_is_not_saved():
    assert not SinusoidalPositions(4).state_dict()


def test_table_that_grew_during_inference_serves_training():
    positions = SinusoidalPositions(4)
    with torch.inference_mode():
        positions(torch.zeros(1, 700, 4))
    embedded = torch.zeros(1, 600, 4, requires_grad=True)
    positions(embedded).square().sum().backward()
    torch.testing.assert_close(embedded.grad[0], 2 * sinusoids(600, 4))


@pytest.mark.parametrize("width, layout", [(3, "paper"), (7, "t2t"), (2, "t2t")])
def test_odd_width_is_refused(width, layout):
    with pytest.raises(ValueError, match=f"d_model={width}"):
        sinusoids(3, width, layout=layout)
