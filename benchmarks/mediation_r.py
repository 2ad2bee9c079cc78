"""The authors' own implementation of BASMU, an R package, measured on a study that ours is given too.

The environment variable LATTICEWORK_BASMU_R names a library of R that has the package and what it asks for. Once:

- From Debian: r-base-core, r-cran-rcpparmadillo, r-cran-ggplot2, r-cran-viridis, r-cran-rspectra, g++, gfortran,
  libopenblas-dev.
- `R CMD INSTALL --library=LIBRARY` of the sources of BayesGPfit 1.1.0 (CRAN), then of BASMU 1.0 (yuliangxu/BASMU on
  GitHub, commit fbadaec, less the compiled files in its `src`). Where Rcpp is 1.0.10, as in Debian 12, the version of
  Rcpp that its DESCRIPTION asks for is lowered to that; nothing else is changed.

`write` puts a study into a folder, `command` is what to run there, and `read` gives what it found; `time_authors` does
the three. The settings are those of the package's vignette: one region, no threshold, and
four fifths of either stage's iterations are burn-in. The package is GPL: it is run, and nothing of it is here.

Its draws are not those of the posterior, so they are not counted as effective ones: its Langevin steps are taken by the
ratio of posterior densities alone, for the exponent of the proposals' begins with `-1/4`, which is 0 of integers in
C++. It draws individual effects in every tenth iteration, as the vignette has it.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measuring

LIBRARY = "LATTICEWORK_BASMU_R"
TIMEOUT = 7200
MEDIATOR, OUTCOME = 1000, 5000  # iterations of the two stages in the vignette
SCRIPT, NUMBERS = "basmu.R", "numbers.txt"
STAGES = ("mediator", "outcome")

_R = r"""
suppressPackageStartupMessages(library(BASMU))
setwd(commandArgs(TRUE)[[1]])
numbers <- scan("numbers.txt", quiet = TRUE)
names(numbers) <- c("n", "p", "q", "L", "mediator", "outcome", "seed")
n <- numbers[["n"]]; p <- numbers[["p"]]; q <- numbers[["q"]]; L <- numbers[["L"]]
load_matrix <- function(name, rows, columns) {
  matrix(readBin(paste0(name, ".f64"), "double", rows * columns, endian = "little"), rows, columns)
}
save_matrix <- function(name, values) writeBin(as.double(values), paste0(name, ".f64"), endian = "little")

images <- t(load_matrix("M", n, p))
exposure <- c(load_matrix("X", n, 1)); covariates <- load_matrix("C", n, q); response <- c(load_matrix("Y", n, 1))
basis <- list(load_matrix("basis", p, L)); eigenvalues <- c(load_matrix("eigenvalues", L, 1))
voxels <- list(seq_len(p) - 1); functions <- list(seq_len(L) - 1)  # one region, counted from 0

used <- function() sum(proc.time()[c("user.self", "sys.self")])
clock <- function(timer, iterations, processor) {
  at <- timer / 1e9
  began <- at[["start of iteration"]]; burned <- at[["stop of burnin"]]; ended <- at[["end of iterations"]]
  sprintf('{"iteration": %.9g, "processor": %.9g, "setup": %.9g, "burn_in": %.9g, "kept": %.9g}',
          (ended - began) / iterations, processor / iterations, began, burned - began, ended - burned)
}

set.seed(numbers[["seed"]])
iterations <- numbers[["mediator"]]; burn_in <- iterations * 4 / 5; before <- used()
mediator <- BASMU_mediator(
  M = images, X = exposure, C = covariates, L_all = L, num_region = 1, region_idx = voxels, n_mcmc = iterations,
  K = basis, stop_burnin = burn_in, lambda = 0, target_accept_vec = 0.2, interval = 10, step = 0.01 / n,
  interval_eta = 10, thinning = 1, begin_save_eta = burn_in,
  init = list(theta_alpha = rep(0.5, L), theta_zetam = matrix(0.1, L, q), theta_eta = matrix(0, L, n),
              D = eigenvalues, sigma_M = 1, sigma_alpha = 1, sigma_eta = 1))
first <- clock(mediator$Timer, iterations, used() - before)
chosen <- (burn_in + 1):iterations
save_matrix("theta_alpha", mediator$theta_alpha_mcmc[, chosen])
save_matrix("theta_eta", mediator$theta_eta_mean)
save_matrix("variances", 1 / rbind(mediator$gs$sigma_M2_inv_mcmc[chosen], mediator$gs$sigma_eta2_inv_mcmc[chosen]))

iterations <- numbers[["outcome"]]; burn_in <- iterations * 4 / 5
eta <- Low_to_high(mediator$theta_eta_mean, p, basis, voxels, functions)
before <- used()
outcome <- BASMU_outcome(
  Y = response, M = images, X = exposure, C = covariates, L_all = L, eta = eta, delta_sp = rep(1, p), num_region = 1,
  region_idx = voxels, n_mcmc = iterations, K = basis, stop_burnin = burn_in,
  target_accept_vec = 0.2, a = 1, b = 1, step = 0.01 / n, interval_step = 10, interval_thin = 1, start_joint = -1,
  lambda = 0,
  init = list(theta_beta = rep(1, L), theta_nu = rep(1, L), nu = rep(1, p), D = eigenvalues, sigma_Y = 0.1,
              sigma_beta = 0.1, cb = 0, zetay = rep(1, q), gamma = 1))
second <- clock(outcome$Timer, iterations, used() - before)
chosen <- burn_in:(iterations - 1)  # thetas and nu are saved a column earlier than the rest, and never in the last one
save_matrix("theta_beta", outcome$theta_beta_mcmc_thin[, chosen])
save_matrix("gamma", outcome$gs$gamma_mcmc[chosen + 1])
save_matrix("nu", rowMeans(outcome$nu_mcmc_thin[, chosen]))
version <- function(name) as.character(packageVersion(name))
cat(sprintf('\n{"mediator": %s, "outcome": %s, "versions": "BASMU %s, R %s, RcppArmadillo %s"}\n',
            first, second, version("BASMU"), getRversion(), version("RcppArmadillo")))
"""


class Absent(RuntimeError):
    """The authors' package cannot be run here."""


@dataclass(frozen=True)
class Study:
    """A study and the basis that its images are seen through, orthonormal, of one region."""

    exposure: np.ndarray  # [subjects]
    images: np.ndarray  # [subjects, voxels]
    response: np.ndarray  # [subjects]
    covariates: np.ndarray  # [subjects, covariates]
    basis: np.ndarray  # [voxels, functions]
    eigenvalues: np.ndarray  # [functions]


def time_authors(
    study: Study, folder: Path, *, mediator: int = MEDIATOR, outcome: int = OUTCOME, seed: int = 0, threads: int = 1
) -> dict[str, Any]:
    """Run both stages of the authors' package on a study, in a folder that takes its files; see `read`.

    Raises
    ------
    Absent
        If there is no R, or no package; it says what to do.
    """
    run = command(folder)
    write(study, folder, mediator=mediator, outcome=outcome, seed=seed)
    return read(folder, measuring.run_measured(run, measuring.environment(threads), TIMEOUT).output)


def write(study: Study, folder: Path, *, mediator: int = MEDIATOR, outcome: int = OUTCOME, seed: int = 0) -> None:
    """Write the files that `command` reads; the iterations of either stage must be a multiple of 10, from 50 on."""
    for iterations in (mediator, outcome):
        if iterations < 50 or iterations % 10:
            raise ValueError(f"the iterations of a stage must be a multiple of 10, from 50 on, got {iterations}")
    subjects, voxels = study.images.shape
    covariates, functions = study.covariates.shape[1], len(study.eigenvalues)
    shapes = {
        "X": (study.exposure, (subjects,)),
        "Y": (study.response, (subjects,)),
        "M": (study.images, (subjects, voxels)),
        "C": (study.covariates, (subjects, covariates)),
        "basis": (study.basis, (voxels, functions)),
        "eigenvalues": (study.eigenvalues, (functions,)),
    }
    for name, (values, shape) in shapes.items():
        if values.shape != shape:
            raise ValueError(f"{name} must be of shape {shape}, got {values.shape}")
        (folder / f"{name}.f64").write_bytes(values.astype("<f8").tobytes("F"))
    numbers = (subjects, voxels, covariates, functions, mediator, outcome, seed)
    (folder / NUMBERS).write_text(" ".join(map(str, numbers)) + "\n", encoding="utf-8")
    (folder / SCRIPT).write_text(_R, encoding="utf-8")


def command(folder: Path) -> measuring.Command:
    """What runs both stages on what `write` put into the folder, with the library that LATTICEWORK_BASMU_R names."""
    library = os.environ.get(LIBRARY)
    if not library:
        raise Absent(f"The authors' package is not measured: {LIBRARY} names no library of R that has it.")
    home = Path(library).resolve()
    if not (home / "BASMU" / "DESCRIPTION").is_file():
        raise Absent(f"The authors' package is not measured: there is no BASMU in {library}, which {LIBRARY} names.")
    if shutil.which("Rscript") is None:
        raise Absent("The authors' package is not measured: there is no command Rscript.")
    return ["env", f"R_LIBS={home}", "Rscript", "--vanilla", str(folder / SCRIPT), str(folder)]


def read(folder: Path, output: dict[str, Any]) -> dict[str, Any]:
    """What a run found: seconds, and the draws after burn-in, of which the vignette averages the second half.

    `seconds` has, for "mediator" and "outcome", those of an iteration, the processor's for one, and those of the whole
    setup, the burn-in and the iterations kept. `nie` has, for the mediator, the draws of alpha with the mean of beta,
    and for the outcome those of beta with the mean of alpha: either stage takes the other's result as given. The rest:
    `versions`, of the package, R and RcppArmadillo;
    `theta_alpha` and `theta_beta` [draws, functions]; `gamma`, the direct effect [draws]; `nu`, its mean over draws
    [voxels]; `theta_eta`, likewise [subjects, functions]; `variances`, of the images' noise and of eta [draws, 2].
    """
    functions = len(_load(folder, "eigenvalues"))
    alpha, beta = (_load(folder, f"theta_{name}").reshape(-1, functions) for name in ("alpha", "beta"))
    # where the basis is orthonormal and nothing is thresholded, a sum over voxels is one over functions
    nie = {"mediator": alpha @ average(beta), "outcome": beta @ average(alpha)}
    return {
        "seconds": {stage: output[stage] for stage in STAGES},
        "nie": nie,
        "theta_alpha": alpha,
        "theta_beta": beta,
        "gamma": _load(folder, "gamma"),
        "nu": _load(folder, "nu"),
        "theta_eta": _load(folder, "theta_eta").reshape(-1, functions),
        "variances": _load(folder, "variances").reshape(-1, 2),
        "versions": dict(one.rsplit(" ", 1) for one in output["versions"].split(", ")),
    }


def average(draws: np.ndarray) -> np.ndarray:
    """Average the second half of the draws after burn-in, as the vignette does."""
    mean: np.ndarray = draws[len(draws) // 2 :].mean(0)
    return mean


def _load(folder: Path, name: str) -> np.ndarray:
    return np.fromfile(folder / f"{name}.f64", "<f8")
