"""Does an image carry the effect of an exposure on an outcome? With unobserved confounders: BASMU (Xu et al. 2024)."""

from typing import TYPE_CHECKING

from latticework.core.lazy import attach

if TYPE_CHECKING:
    from latticework.mediation.decomposition import BasisDecomposition
    from latticework.mediation.diagnosis import Diagnosis
    from latticework.mediation.estimator import BASMU, BIMA
    from latticework.mediation.prior import Prior
    from latticework.mediation.reading import read_study
    from latticework.mediation.rfiles import read_r, study_of_r
    from latticework.mediation.sensitivity import Bias, omitted_confounder_bias
    from latticework.mediation.simulation import SimulatedStudy, simulate
    from latticework.mediation.study import Study, study_of
    from latticework.mediation.writing import write_study

__all__ = [
    "BASMU",
    "BIMA",
    "BasisDecomposition",
    "Prior",
    "Study",
    "study_of",
    "read_study",
    "read_r",
    "study_of_r",
    "write_study",
    "simulate",
    "SimulatedStudy",
    "Diagnosis",
    "Bias",
    "omitted_confounder_bias",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "BASMU": "latticework.mediation.estimator:BASMU",
        "BIMA": "latticework.mediation.estimator:BIMA",
        "BasisDecomposition": "latticework.mediation.decomposition:BasisDecomposition",
        "Prior": "latticework.mediation.prior:Prior",
        "Study": "latticework.mediation.study:Study",
        "study_of": "latticework.mediation.study:study_of",
        "read_study": "latticework.mediation.reading:read_study",
        "read_r": "latticework.mediation.rfiles:read_r",
        "study_of_r": "latticework.mediation.rfiles:study_of_r",
        "write_study": "latticework.mediation.writing:write_study",
        "simulate": "latticework.mediation.simulation:simulate",
        "SimulatedStudy": "latticework.mediation.simulation:SimulatedStudy",
        "Diagnosis": "latticework.mediation.diagnosis:Diagnosis",
        "Bias": "latticework.mediation.sensitivity:Bias",
        "omitted_confounder_bias": "latticework.mediation.sensitivity:omitted_confounder_bias",
    },
)
