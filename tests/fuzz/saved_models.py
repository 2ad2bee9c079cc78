"""Saved models of every estimator, and the checkpoint of a run: as they lie there, and with checksums made anew.

A folder is taken apart into `config.json` without what Latticework adds of itself, and its other files by their logical
names. What was changed there is sealed again, so that it reaches what lies behind the checksums.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from anomaly.detectors import detector, parts
from anomaly.encoders import encoder, vit
from fuzz.examples import Files, Format
from taggers import CONFIG, SENTENCES, TAGS, WORDS

from latticework.anomaly.encoders.pretrained import Pretrained
from latticework.core import State, checkpoint, read_folder, write_folder
from latticework.core.estimator import load_estimator
from latticework.core.tensors import payload_name
from latticework.knowledge import DKGE, DKGEConfig
from latticework.knowledge.saved_model import SavedModel
from latticework.mediation import BASMU, BIMA, BasisDecomposition, Prior, simulate
from latticework.ner import (
    CharacterTagger,
    FlatConfig,
    FlatTagger,
    LatticeTagger,
    SoftLexiconTagger,
    TaggerConfig,
    WordConfig,
    WordTagger,
)
from latticework.translation import TransformerConfig, TransformerTranslator

CONFIG_FILE = "config.json"
CPU = torch.device("cpu")
SEED = {"random_state": 0, "device": "cpu"}
SMALL = TransformerConfig(layers=1, d_model=8, heads=2, feed_forward=8, batch_tokens=64, max_length=12)
FACTS = [("Rome", "in", "Italy"), ("Italy", "has", "Rome"), ("Oslo", "in", "Norway"), ("New\nYork", "near", "Oslo")]
CHAINS = {"n_chains": 2, "n_warmup": 4, "n_draws": 4, "n_jobs": 1, "random_state": 0}


def unsealed(folder: Path) -> Files:
    """The files of a folder by their logical names."""
    config = json.loads((folder / CONFIG_FILE).read_bytes())
    del config["checksum"]
    files = {f"{group}.safetensors": (folder / one["name"]).read_bytes() for group, one in config["tensors"].items()}
    files |= {logical: (folder / one["name"]).read_bytes() for logical, one in config["files"].items()}
    config["tensors"] = {group: one["framework"] for group, one in config["tensors"].items()}
    config["files"] = dict.fromkeys(config["files"])
    return files | {CONFIG_FILE: json.dumps(config).encode()}


def sealed(files: Files) -> Files:
    """A folder with these files, and all the names and checksums that they are to have."""
    try:
        config = json.loads(files[CONFIG_FILE])
        config["tensors"] = {
            group: _entry(files, f"{group}.safetensors") | {"framework": framework}
            for group, framework in config["tensors"].items()
        }
        config["files"] = {logical: _entry(files, logical) for logical in config["files"]}
        text = json.dumps(config, sort_keys=True, separators=(",", ":"))
        config["checksum"] = hashlib.sha256(text.encode()).hexdigest()
        text = json.dumps(config)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return files
    written = {entry["name"]: name for kind in ("tensors", "files") for name, entry in config[kind].items()}
    written = {
        name: f"{logical}.safetensors" if logical in config["tensors"] else logical for name, logical in written.items()
    }
    return {name: files[logical] for name, logical in written.items()} | {CONFIG_FILE: text.encode()}


def _entry(files: Files, logical: str) -> dict[str, Any]:
    sha256 = hashlib.sha256(files[logical]).hexdigest()
    return {"name": payload_name(logical, sha256), "sha256": sha256, "size": len(files[logical])}


def kept(*models: Any) -> list[Files]:
    """What fitted models save."""
    with tempfile.TemporaryDirectory() as place:
        for number, model in enumerate(models):
            model.save(Path(place) / str(number))
        return [unsealed(Path(place) / str(number)) for number in range(len(models))]


def loaded(folder: Path) -> None:
    load_estimator(folder).describe()


def translators() -> list[Files]:
    model = TransformerTranslator(vocab_size=16, max_epochs=1, config=SMALL, precision="32", **SEED)
    return kept(model.fit(list("123") * 4, ["eins", "zwei", "drei"] * 4))


def taggers(kind: type[Any], *configs: Any) -> Callable[[], list[Files]]:
    def make() -> list[Files]:
        models = [kind(WORDS, hidden_size=4, max_epochs=1, config=config, **SEED) for config in configs]
        return kept(*(model.fit(SENTENCES[:5], TAGS[:5]) for model in models))

    return make


def graphs() -> list[Files]:
    configs = DKGEConfig(negatives=2), DKGEConfig(compat="reference", loss="margin", negatives=1)
    models = [DKGE(4, max_epochs=1, config=config, **SEED).fit(FACTS) for config in configs]
    models[0].partial_fit(add=[("Bergen", "in", "Norway")], remove=[FACTS[0]])
    models[0].watched_ = [("log.tsv", 2, "f71d668fb51f4a7d2bf58c5f080db5f5")]
    return kept(*models)


def graph(folder: Path) -> None:
    saved = SavedModel.load(folder, device="cpu")
    saved.model.describe()
    tuple(saved.positions)


def detectors() -> list[Files]:
    plain, fused = detector().fit(parts(4)), detector(("colour", "geometry"), fusion="max").fit(parts(4))
    first, second = kept(plain, fused)
    return [first, with_encoders(second)]


def with_encoders(files: Files) -> Files:
    """The same model with trained encoders, which are otherwise too large for an example."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        folder.mkdir()
        for name, data in sealed(files).items():
            (folder / name).write_bytes(data)
        header, state = read_folder(folder)
        encoders = Pretrained(vit=vit(), point_mae=encoder())
        values = state.values | {"encoders": encoders.configs()}
        tensors = {name: dict(group) for name, group in state.tensors.items()} | {"encoders": encoders.tensors()}
        write_folder(Path(place) / "other", header=header, state=State(values, tensors, state.files))
        return unsealed(Path(place) / "other")


def studies(*models: Any) -> Callable[[], list[Files]]:
    def make() -> list[Files]:
        study = simulate(n=20, side=5, random_state=3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # chains are too short to agree
            return kept(*(model.fit_study(study) for model in models))

    return make


def bases() -> list[Files]:
    coordinates = simulate(n=20, side=5).coordinates
    halves = (coordinates[:, 0] > 0).astype(int)
    cosine = BasisDecomposition("modified_squared_exponential", degree=2)
    return kept(BasisDecomposition(n_components=6).fit(coordinates, halves), cosine.fit(coordinates))


def learner() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    return module, torch.optim.Adam(module.parameters(), lr=0.1)


def checkpoints() -> list[Files]:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        module, optimizer = learner()
        module(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
    with tempfile.TemporaryDirectory() as place:
        state = checkpoint.Checkpoint(
            position=checkpoint.Position(step=1),
            history=[{"step": 1, "loss": float("nan")}],
            module=module.state_dict(),
            optimizer=checkpoint.flatten(optimizer),
            generators={"cpu": torch.get_rng_state()[None]},
            snapshots={},
            best=None,
            precision="32",
        )
        checkpoint.write(Path(place), "run", state)
        return [unsealed(Path(place))]


def gone_on(folder: Path) -> None:
    checkpoint.finished(folder, "run")
    found = checkpoint.read(folder, "run", CPU)
    if found is None:
        return
    module, optimizer = learner()
    with torch.random.fork_rng([]), checkpoint.damage_told(folder):
        checkpoint.restore(found, module, optimizer, CPU, 0)


def model(key: str, seeds: Callable[[], list[Files]], read: Callable[[Path], object] = loaded) -> Format:
    return Format(f"saved-{key.rpartition('.')[2]}", seeds, read, seal=sealed, estimator=key)


BASIS = BasisDecomposition(n_components=6)
FORMATS = [
    model("translation.TransformerTranslator", translators),
    model("ner.LatticeTagger", taggers(LatticeTagger, CONFIG)),
    model(
        "ner.CharacterTagger",
        taggers(
            CharacterTagger,
            TaggerConfig(char_size=4, batch_size=4),
            TaggerConfig(char_size=4, bigrams=True, softword=True),
        ),
    ),
    model("ner.WordTagger", taggers(WordTagger, WordConfig(word_size=4, char_size=4, char_lstm=True))),
    model("ner.SoftLexiconTagger", taggers(SoftLexiconTagger, CONFIG)),
    model("ner.FlatTagger", taggers(FlatTagger, FlatConfig(heads=2, feed_forward=4, char_size=4, word_size=4))),
    model("knowledge.DKGE", graphs, graph),
    model("anomaly.M3DM", detectors),
    model("mediation.BASMU", studies(BASMU(BASIS, prior=Prior(inclusion=(1, 20)), **CHAINS))),
    model("mediation.BIMA", studies(BIMA(BASIS, **CHAINS), BIMA(BASIS, threshold=0.1, **CHAINS))),
    model("mediation.BasisDecomposition", bases),
    Format("training-checkpoint", checkpoints, gone_on, seal=sealed),
]
