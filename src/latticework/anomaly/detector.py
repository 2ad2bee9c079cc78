"""Multi-3D-Memory, M3DM (Wang et al. 2023): the estimator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from jaxtyping import Float32, Float64, Int64
from sklearn.utils.validation import check_is_fitted

from latticework.anomaly.banks import banks_of
from latticework.anomaly.choices import Features, Fusion
from latticework.anomaly.config import OF_MACHINES, M3DMConfig
from latticework.anomaly.encoders.pretrained import Pretrained
from latticework.anomaly.evaluating import Told, evaluate
from latticework.anomaly.features.extraction import Described, describe
from latticework.anomaly.findings.calibration import p_values
from latticework.anomaly.findings.results import Evaluation, Inspection
from latticework.anomaly.fitted import Fitted
from latticework.anomaly.fusion.decision import METHODS
from latticework.anomaly.inspecting import inspection, whole_map
from latticework.anomaly.learning import learn_more, learn_parts
from latticework.anomaly.part_warnings import once
from latticework.anomaly.saving import fitted_of, state_of
from latticework.anomaly.scans.inputs import Part, PartOrFile, Parts, list_parts, read, train_held_out_split
from latticework.core import Estimator, State
from latticework.core.checks import number, one_of
from latticework.core.errors import InputError
from latticework.core.hardware import resolve_device
from latticework.core.seeds import seed_from, spawn


class M3DM(Estimator):
    """Learns good parts, scanned in colour, in 3D or both, and finds what is wrong with others.

    Parameters
    ----------
    banks : sequence of str or None
        The memory banks: of "colour", "texture", "geometry", "form" and "fusion"; with pretrained features, or in the
        paper's mode, "colour", "geometry" and "fusion". None for all that there is something for. Unless the paper is
        followed, a fusion bank is kept only if it helps on pseudo-defects.
    fusion : {"quantile", "ocsvm", "zsum", "max"} or None
        How their scores become one: see `fit_decision`. None for "quantile", in the paper's mode for "ocsvm", its own.
    features : {"handcrafted", "pretrained"}
        What patches are described by: computed features, which need no weights, or the encoders of the paper, whose
        weights are read from the files that `config` names.
    coreset : float
        The share of normal patches that a bank keeps.
    config : M3DMConfig or None
        Everything else; ``M3DMConfig(mode="paper")`` follows the paper. Its `memory` and `cache_folder` belong to a
        machine, not to a model: they are not saved, and may be changed between a fit and `partial_fit`.
    random_state : None, int or generator
        Repeats a fit.
    device : str
        Where encoders, the fusion and products of matrices run, from `fit` or `load` on: "auto", "cpu", "cuda", ...

    Attributes
    ----------
    banks_ : tuple of str
        The memory banks that are used.
    threshold_ : Threshold or None
        Above which a score is an alarm, and the rate of false alarms that it certifies; None if no part certifies one.
    map_threshold_ : Threshold or None
        The same of the highest score in the map of a part.
    parts_ : list of str
        The good parts that the banks hold patches of, by number.
    scans_ : tuple of str
        What the good parts had, "rgb", "xyz" or both: others need it too.
    unit_ : str
        What their files' points were in, "m", "cm" or "mm": so are those of other folders and files that are given.
    report_ : list of str
        What was decided in `fit`, in sentences.

    Examples
    --------
    >>> from latticework.anomaly import Sample
    >>> from latticework.anomaly.synth import draw
    >>> parts = [draw(seed, "ring", size=96) for seed in range(8)]
    >>> samples = [Sample.of(rgb=part.rgb, xyz=part.xyz, name=f"part {n}") for n, part in enumerate(parts)]
    >>> model = M3DM(config=M3DMConfig(size=96), random_state=0).fit(samples)
    >>> cut = draw(9, "ring", "cut", "easy", size=96)
    >>> found = model.explain(Sample.of(rgb=cut.rgb, xyz=cut.xyz))
    >>> found.defective, found.regions[0].bank
    (True, 'geometry')
    """

    config_class = M3DMConfig
    of_machines_in_config = OF_MACHINES

    def __init__(
        self,
        banks: Sequence[str] | None = None,
        fusion: Fusion | None = None,
        features: Features = "handcrafted",
        coreset: float = 0.1,
        config: M3DMConfig | None = None,
        random_state: Any = None,
        device: str = "auto",
    ) -> None:
        self.banks = banks
        self.fusion = fusion
        self.features = features
        self.coreset = coreset
        self.config = config
        self.random_state = random_state
        self.device = device

    @once()
    def fit(self, X: Parts, y: Any = None, *, validation: Parts | None = None) -> M3DM:
        """Learn good parts.

        Parameters
        ----------
        X : folder, or sequence of Sample, Found or path
            Good parts. Of a folder with splits, those of "train"; its "validation" is then set aside.
        y : None
            Not used.
        validation : the same, or None
            Good parts to set aside, which calibrate the threshold; None for a share of the others.

        Raises
        ------
        InputError
            If a part cannot be read, is labelled defective, lacks what the others have, or a parameter cannot be; or if
            nothing can be judged of any. One of which nothing can be judged is left out otherwise, as `report_` says.
        """
        settings, seed = self._checked(), seed_from(self.random_state)
        train, aside, drawn = train_held_out_split(X, validation, settings, seed)
        encoders = self._encoders(settings)
        first = read(train[0])
        self._keep(
            learn_parts(
                train,
                first,
                aside,
                drawn=drawn,
                banks=banks_of(self.banks, self.features, settings, encoders, first),
                method=self.fusion or ("ocsvm" if settings.paper else "quantile"),
                coreset=self.coreset,
                config=settings,
                encoders=encoders,
                device=resolve_device(self.device),
                seed=seed,
            )
        )
        return self

    @once()
    def partial_fit(self, X: Parts, y: Any = None) -> M3DM:
        """Learn more good parts: their patches join the banks, and a share of them is set aside too.

        Scales, fusion and figures stay as they were. All parts that were ever set aside are scored anew.

        Parameters
        ----------
        X, y
            As of `fit`.

        Raises
        ------
        InputError
            As `fit`, or if a part was set aside before: then it cannot be learnt from.
        """
        if not hasattr(self, "fitted_"):
            return self.fit(X)
        before, device = self.fitted_, resolve_device(self.device)
        before = replace(before, config=before.config.on_machine_of(self._config()))
        seed = spawn(seed_from(self.random_state), f"after {len(before.parts)}")
        train, aside, _ = train_held_out_split(X, None, before.config, seed, unit=before.unit, again=True)
        self._keep(learn_more(before, train, aside, coreset=self.coreset, device=device))
        return self

    def explain(self, part: PartOrFile) -> Inspection:
        """Everything about one part: scores, regions, and what each bank has to say.

        Parameters
        ----------
        part
            A scan, or where it lies: a file, whose partners are found beside it.

        Raises
        ------
        InputError
            If it cannot be read, lacks what the good parts had, or nothing of it can be judged.
        """
        check_is_fitted(self, "fitted_")
        fitted = self.fitted_
        sample = read(part, unit=fitted.unit)
        described = describe(sample, fitted.seen, fitted.config, fitted.encoders, scans=fitted.scans)
        return inspection(sample, described, fitted.judged(described), fitted)

    @once()
    def score_samples(self, X: Parts) -> Float64[np.ndarray, " parts"]:
        """Fused scores: the higher, the more likely a part is defective.

        That is the opposite of `score_samples` of scikit-learn's outlier detectors, whose lowest scores are the most
        abnormal: give metrics the label "defective", not "good", and sort in descending order for the worst parts.
        `predict` says 1 and -1 as theirs do.

        Parameters
        ----------
        X
            As of `fit`; of a folder with splits, those of "test".

        Raises
        ------
        InputError
            As `explain`.
        """
        check_is_fitted(self, "fitted_")
        fuse, judged = self.normal_.layers.image.fuse, self.fitted_.judged
        return np.array([float(fuse(judged(part).scores)) for part in self._looked_at(self._listed(X))])

    def predict(self, X: Parts) -> Int64[np.ndarray, " parts"]:
        """1 for parts that are taken for good, -1 for defective ones.

        Parameters
        ----------
        X
            As of `score_samples`.

        Raises
        ------
        InputError
            If there is no threshold, for no good part certifies one; or as `explain`.
        """
        check_is_fitted(self, "fitted_")
        if self.threshold_ is None:
            raise InputError("no good part certifies a threshold: fit with more, or validation=...")
        return np.where(self.score_samples(X) > self.threshold_.value, -1, 1)

    def p_values(self, X: Parts) -> Float64[np.ndarray, " parts"]:
        """Of each part, the share of good ones, set aside and itself, that score at least as high.

        Parameters
        ----------
        X
            As of `score_samples`.
        """
        check_is_fitted(self, "fitted_")
        return p_values(self.fitted_.scores, self.score_samples(X))

    @once()
    def predict_map(self, X: Parts) -> list[Float32[np.ndarray, "height width"]]:
        """A score for each pixel of each part, in the size of its picture.

        Parameters
        ----------
        X
            As of `score_samples`.
        """
        check_is_fitted(self, "fitted_")
        fitted = self.fitted_
        return [whole_map(part, fitted.judged(part), fitted) for part in self._looked_at(self._listed(X))]

    @once()
    def evaluate(self, X: Parts, *, each: Told | None = None) -> Evaluation:
        """How well parts whose labels, and truths, are known are told apart.

        Parameters
        ----------
        X
            As of `score_samples`.
        each
            Called with every part and what is found in it, an `Inspection` or an `InputError`, as soon as that is
            known, such as `Outputs.add`: no part is inspected twice for it, and nothing is kept.

        Raises
        ------
        InputError
            If labels are missing.
        """
        check_is_fitted(self, "fitted_")
        return evaluate(self.fitted_, self._listed(X), each=each)

    @once()
    def transform(self, X: Parts) -> Float32[np.ndarray, "parts width"]:
        """The patch features of all banks, side by side, averaged over each part.

        Parameters
        ----------
        X
            As of `score_samples`.

        Returns
        -------
        array
            NaN for a bank that can judge nothing of a part, such as that for geometry where no points returned.

        Raises
        ------
        InputError
            As `score_samples`.
        """
        check_is_fitted(self, "fitted_")
        rows = []
        for part in self._looked_at(self._listed(X)):
            found = self.fitted_.represented(part)
            rows.append(np.concatenate([_average(found[bank].rows) for bank in self.banks_]))
        return np.stack(rows)

    def transform_patches(self, part: PartOrFile) -> dict[str, Float32[np.ndarray, "patches width"]]:
        """The patch features of one part as its banks have them: of the fusion bank, the fused ones.

        Parameters
        ----------
        part
            As of `explain`.

        Raises
        ------
        InputError
            As `explain`.
        """
        check_is_fitted(self, "fitted_")
        (described,) = self._looked_at([read(part, unit=self.unit_)])
        found = self.fitted_.represented(described)
        return {bank: found[bank].rows for bank in self.banks_}

    def to_state(self) -> State:
        """See `Estimator`."""
        return state_of(self.fitted_)

    def from_state(self, state: State) -> None:
        """See `Estimator`."""
        self._keep(fitted_of(state, self._config(), resolve_device(self.device)))

    def _about(self) -> dict[str, object]:
        """Its good parts, what its banks hold, and its threshold."""
        return {
            "good parts": len(self.parts_),
            "patches": {bank: len(memory) for bank, memory in self.normal_.memories.items()},
            "threshold": "no good part certifies one" if self.threshold_ is None else self.threshold_.about(),
            "unit": self.unit_,
        }

    def _checked(self) -> M3DMConfig:
        """The configuration, once the parameters were found to be possible."""
        if self.fusion is not None:
            one_of("fusion", self.fusion, METHODS)
        one_of("features", self.features, get_args(Features))
        number("coreset", self.coreset, lambda share: 0 < share <= 1, "a share above 0, 1 at most")
        resolve_device(self.device)
        return self._config()

    def _config(self) -> M3DMConfig:
        if not (self.config is None or type(self.config) is M3DMConfig):
            raise InputError(f"config: expected an M3DMConfig, got {type(self.config).__name__}")
        return self.config or M3DMConfig()

    def _keep(self, fitted: Fitted) -> None:
        self.fitted_, self.normal_ = fitted, fitted.normal
        self.banks_, self.seen_, self.scans_, self.unit_ = fitted.banks, fitted.seen, fitted.scans, fitted.unit
        self.threshold_, self.map_threshold_ = fitted.threshold, fitted.map_threshold
        self.parts_, self.report_ = fitted.parts, fitted.report

    def _encoders(self, settings: M3DMConfig) -> Pretrained | None:
        if self.features == "handcrafted":
            return None
        device = str(resolve_device(self.device))
        return Pretrained.load(vit=settings.vit, point_mae=settings.point_mae, device=device)

    def _listed(self, X: Parts) -> list[Part]:
        return list_parts(X, split="test", unit=self.unit_)

    def _looked_at(self, parts: Sequence[Part]) -> Iterator[Described]:
        return self.fitted_.extractor.each(parts, "looking at parts")


def _average(rows: Float32[np.ndarray, "patches width"]) -> Float32[np.ndarray, " width"]:
    return rows.mean(0) if len(rows) else np.full(rows.shape[1], np.nan, np.float32)
