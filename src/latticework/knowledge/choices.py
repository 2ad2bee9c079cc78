"""What options can be, for functions and commands alike: types alone, so that help is there at once."""

from __future__ import annotations

from typing import Literal

FileFormat = Literal["tsv", "csv", "nt", "nq", "ttl", "trig", "parquet", "npy", "openke"]
ExportFormat = Literal["npy", "parquet", "word2vec", "faiss"]
Literals = Literal["drop", "keep", "bucket"]  # of RDF: what becomes of facts about texts and numbers
BlankNodes = Literal["keep", "drop"]
Part = Literal["train", "valid", "test"]  # of a data set in a folder
Init = Literal["xavier", "transe"]
Norm = Literal[1, 2]
Compat = Literal["paper", "reference"]
Gate = Literal["learned", "open"]
Loss = Literal["softmax", "margin"]
Corruption = Literal["bernoulli", "uniform"]
NewEntities = Literal["translation", "random"]
Affected = Literal["entity", "neighbours", "subgraph"]  # what an update trains
