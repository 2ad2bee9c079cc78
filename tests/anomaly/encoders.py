"""Small encoders with drawn weights, by the names in published checkpoints."""

import torch
from reference import point_mae, vit_outputs

from latticework.anomaly.encoders.checkpoint_keys import point_mae_keys, vit_keys
from latticework.anomaly.encoders.point_mae import PointMAE, PointMAEConfig
from latticework.anomaly.encoders.vit import VisionTransformer, ViTConfig

SIZES = {"d_model": 12, "layers": 4, "d_hidden": 20, "d_point": 5, "d_local": 6, "d_position": 7}
POINTS = PointMAEConfig(heads=3, taken=(0, 2, 3), **SIZES)
COLOUR = ViTConfig(
    d_model=vit_outputs.D_MODEL,
    layers=vit_outputs.LAYERS,
    heads=vit_outputs.HEADS,
    d_hidden=vit_outputs.D_HIDDEN,
    patch=vit_outputs.PATCH,
    side=vit_outputs.SIDE,
)


def vit_state():
    """Weights of COLOUR, as torch.save is given them."""
    return {name: torch.from_numpy(value) for name, value in vit_outputs.weights().items()}


def point_mae_state(seed=0):
    return {name: torch.from_numpy(value) for name, value in point_mae.weights(seed, **SIZES).items()}


def vit():
    model, state = VisionTransformer(COLOUR), vit_state()
    model.load_state_dict({name: state[key] for key, name in vit_keys(COLOUR).items()})
    return model


def encoder(seed=0, config=POINTS):
    model, state = PointMAE(config), point_mae_state(seed)
    own = model.state_dict()
    model.load_state_dict({name: state[key].reshape(own[name].shape) for key, name in point_mae_keys(config).items()})
    return model
