"""What two public vision Transformers make of small pictures, with the small weights that are drawn here.

`python tests/reference/vit_outputs.py FILE`, where transformers is installed (5.24.0 wrote what is here), writes
vit_outputs.json beside this file anew. FILE is vision_transformer.py of github.com/facebookresearch/dino, as of commit
7c446df5b9f45747937fb0d72314eb9f7b66930a.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

D_MODEL, LAYERS, HEADS, D_HIDDEN, PATCH, SIDE = 12, 3, 3, 48, 8, 4
TRAINED = (32, 32)  # pixels: SIDE patches of PATCH pixels
SIZES = [TRAINED, (40, 24), (24, 24), (72, 56)]
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DIGITS = 9
STORED = Path(__file__).with_suffix(".json")


def weights() -> dict[str, np.ndarray]:
    """Weights by DINO's names, in float32; no bias, norm or position is left at what it starts with."""
    shapes = {
        "cls_token": (1, 1, D_MODEL),
        "pos_embed": (1, 1 + SIDE**2, D_MODEL),
        "patch_embed.proj.weight": (D_MODEL, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (D_MODEL,),
    }
    for layer in range(LAYERS):
        block = f"blocks.{layer}"
        shapes |= {f"{block}.norm{n}.{kind}": (D_MODEL,) for n in (1, 2) for kind in ("weight", "bias")}
        for name, outputs, inputs in [
            ("attn.qkv", 3 * D_MODEL, D_MODEL),
            ("attn.proj", D_MODEL, D_MODEL),
            ("mlp.fc1", D_HIDDEN, D_MODEL),
            ("mlp.fc2", D_MODEL, D_HIDDEN),
        ]:
            shapes |= {f"{block}.{name}.weight": (outputs, inputs), f"{block}.{name}.bias": (outputs,)}
    shapes |= {"norm.weight": (D_MODEL,), "norm.bias": (D_MODEL,)}
    rng = np.random.default_rng(7)
    drawn = {}
    for name, shape in shapes.items():
        fan = np.prod(shape[1:]) if len(shape) in (2, 4) else 4
        drawn[name] = (rng.standard_normal(shape) * 1.5 / np.sqrt(fan)).astype(np.float32)
        drawn[name] += np.float32("norm" in name and name.endswith("weight"))
    return drawn


def pictures(size: tuple[int, int]) -> np.ndarray:
    """Two pictures of that height and width, colours of 0..1."""
    return np.random.default_rng(8).random((2, 3, *size)).astype(np.float32)


def stored(source: str, size: tuple[int, int]) -> np.ndarray:
    """What that source made of the pictures: features of patches, (2, D_MODEL, rows, columns)."""
    rows, columns = size[0] // PATCH, size[1] // PATCH
    tokens = np.array(json.loads(STORED.read_text("utf-8"))[source]["x".join(map(str, size))])
    return tokens.transpose(0, 2, 1).reshape(2, D_MODEL, rows, columns)


def _inputs(size):
    """In float64, less the mean of ImageNet's colours, in their deviation."""
    import torch

    mean, deviation = (np.array(each)[:, None, None] for each in (MEAN, DEVIATION))
    return torch.from_numpy((pictures(size).astype(np.float64) - mean) / deviation)


def _tensors():
    import torch

    return {name: torch.from_numpy(value).double() for name, value in weights().items()}


def of_dino(file: str) -> dict[str, list]:
    """What DINO's own module gives."""
    import torch

    stub = ModuleType("utils")
    stub.trunc_normal_ = torch.nn.init.trunc_normal_  # all that the file takes from there
    sys.modules["utils"] = stub
    spec = importlib.util.spec_from_file_location("vision_transformer", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.VisionTransformer(
        img_size=[TRAINED[0]],
        patch_size=PATCH,
        embed_dim=D_MODEL,
        depth=LAYERS,
        num_heads=HEADS,
        mlp_ratio=D_HIDDEN // D_MODEL,
        qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )
    model = model.double().eval()
    model.load_state_dict(_tensors())
    with torch.no_grad():
        return {f"{h}x{w}": _rounded(model.get_intermediate_layers(_inputs((h, w)))[0][:, 1:]) for h, w in SIZES}


def of_transformers() -> dict[str, list]:
    """What the ViTModel of transformers gives, at the trained size: it interpolates positions in another way."""
    import torch
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=D_MODEL,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=D_HIDDEN,
        hidden_act="gelu",
        layer_norm_eps=1e-6,
        image_size=TRAINED[0],
        patch_size=PATCH,
        qkv_bias=True,
    )
    model = ViTModel(config, add_pooling_layer=False).double().eval()
    names = {
        "cls_token": "embeddings.cls_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "attn.proj": "attention.o_proj",
        "mlp": "mlp",
    }
    state = {}
    for name, value in _tensors().items():
        if name.startswith("blocks."):
            _, layer, rest = name.split(".", 2)
            if rest.startswith("attn.qkv"):
                for part, rows in zip("qkv", value.chunk(3), strict=True):
                    state[f"layers.{layer}.attention.{part}_proj.{rest.split('.')[-1]}"] = rows
                continue
            their = next(their for our, their in names.items() if rest.startswith(our))
            our = next(our for our in names if rest.startswith(our))
            state[f"layers.{layer}.{their}{rest.removeprefix(our)}"] = value
        elif name.startswith("norm."):
            state[f"layernorm.{name.removeprefix('norm.')}"] = value
        else:
            our = next(our for our in names if name.startswith(our))
            state[names[our] + name.removeprefix(our)] = value
    model.load_state_dict(state)
    with torch.no_grad():
        return {"x".join(map(str, TRAINED)): _rounded(model(_inputs(TRAINED)).last_hidden_state[:, 1:])}


def _rounded(tokens) -> list:
    return np.round(tokens.numpy(), DIGITS).tolist()


if __name__ == "__main__":
    found = {"dino": of_dino(sys.argv[1]), "transformers": of_transformers()}
    STORED.write_text(json.dumps(found) + "\n", "utf-8")
