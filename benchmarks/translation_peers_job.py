"""What systems beside `latticework.translation` are given: a model, sentences and settings, as each wants them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.peers import timing

BEAMS = (1, 4)
BATCHES = {1: 100, 16: 256, 64: 256, None: 1_000_000}  # sentences of a call -> how many of the file; None: one call
WARM_UP_STEPS, STEPS = 20, 150


def write_job(folder: Path, model: Path, threads: int) -> list[str]:
    """Write what the drivers read, the model as each wants it too, and give the references."""
    import latticework as lw
    from latticework.translation.decoding import EXTRA_LENGTH

    translator = lw.load(model)
    sources, references = lw.datasets.load("multi30k", split="test_2016_flickr")
    cells = [
        {"name": cell_name(batch, beam), "batch": batch, "beam": beam, "sentences": min(count, len(sources))}
        for batch, count in BATCHES.items()
        for beam in BEAMS
    ]
    job = {
        "model": str(model),
        "threads": threads,
        "cells": cells,
        "sentences": sources,
        "pieces": translator.vocabulary_.encode(sources).lengths.tolist(),  # the end piece included
        "extra_length": EXTRA_LENGTH,
        "config": asdict(translator.config_),
        "warm_up": WARM_UP_STEPS,
        "steps": STEPS,
    }
    (folder / timing.JOB).write_text(json.dumps(job), encoding="utf-8")
    (folder / "vocabulary.model").write_bytes(translator.vocabulary_.model)
    for stored in ("float32", "int8"):
        quantization = None if stored == "float32" else stored
        translator.export("ctranslate2", folder / f"ctranslate2-{stored}", quantization=quantization)
    write_joeynmt(folder, translator)
    return list(references)


def write_joeynmt(folder: Path, translator: Any) -> None:
    """Write JoeyNMT's checkpoint, vocabulary, settings and training text."""
    import torch

    import latticework as lw
    from benchmarks.peers.weights import joeynmt_order, joeynmt_state

    home = folder / "joeynmt"
    home.mkdir()
    torch.save({"model_state": joeynmt_state(translator.model_)}, home / "best.ckpt")
    pieces = translator.vocabulary_.pieces(joeynmt_order(len(translator.vocabulary_)))
    (home / "vocabulary.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    for split, name in (("train", "train"), ("val", "dev")):
        pairs = zip(*lw.datasets.load("multi30k", split=split), strict=True)
        kept = [pair for pair in pairs if all(len(text.splitlines()) == 1 for text in pair)]  # as it splits them
        for language, texts in zip(("en", "de"), zip(*kept, strict=True), strict=True):
            (home / f"{name}.{language}").write_text("\n".join(texts) + "\n", encoding="utf-8")
    settings = joeynmt_settings(translator.config_, home, folder / "vocabulary.model")
    (folder / "joeynmt.yaml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML


def joeynmt_settings(config: Any, home: Path, vocabulary: Path) -> dict[str, Any]:
    """Our shape, training and vocabulary in JoeyNMT's words; what we have no word for stays as it is there."""
    side = {
        "level": "bpe",
        "max_length": config.max_length,
        "voc_file": str(home / "vocabulary.txt"),
        "tokenizer_type": "sentencepiece",
        "tokenizer_cfg": {"model_file": str(vocabulary)},
    }
    stack = {
        "type": "transformer",
        "num_layers": config.layers,
        "num_heads": config.heads,
        "hidden_size": config.d_model,
        "ff_size": config.feed_forward,
        "dropout": config.dropout,
        "layer_norm": "post",
        "embeddings": {"embedding_dim": config.d_model, "scale": True, "dropout": config.dropout},
    }
    return {
        "name": "translation_peers",
        "model_dir": str(home),
        "use_cuda": False,
        "data": {
            "train": str(home / "train"),
            "dev": str(home / "dev"),
            "dataset_type": "plain",
            "src": {"lang": "en", **side},
            "trg": {"lang": "de", **side},
        },
        "model": {
            "initializer": "xavier_uniform",
            "bias_initializer": "zeros",
            "embed_initializer": "xavier_uniform",
            "tied_embeddings": True,
            "tied_softmax": True,
            "encoder": stack,
            "decoder": stack,
        },
        "training": {
            "normalization": "tokens",
            "label_smoothing": config.label_smoothing,
            "optimizer": "adam",
            "adam_betas": [0.9, 0.98],
            "scheduling": "noam",
            "learning_rate_factor": config.learning_rate,
            "learning_rate_warmup": config.warmup_steps,
            "learning_rate_min": 0.0,  # below it JoeyNMT ends the training, and a warm-up begins there
            "batch_size": config.batch_tokens,
            "batch_type": "token",
            "epochs": 100,
            "validation_freq": 1_000_000,  # never
        },
        "testing": {"load_model": str(home / "best.ckpt")},
    }


def cell_name(batch: int | None, beam: int) -> str:
    """What the table calls a cell.

    Examples
    --------
    >>> cell_name(1, 4), cell_name(None, 1)
    ('batches of 1, beam 4', 'whole file, beam 1')
    """
    return f"{'whole file' if batch is None else f'batches of {batch}'}, beam {beam}"
