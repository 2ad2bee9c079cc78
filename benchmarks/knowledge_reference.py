"""DKGE the way its published code goes about it: loops in Python, dense matrices, pads. None of it is quick.

`benchmarks.knowledge_speed` compares with it. It is written anew, step by step as Wu et al.'s code does it and at its
cost, with two differences so that results can be compared: of many neighbours or paths those with the smallest digests
are kept, where the code keeps the first of a set; and known answers of validation and test are filtered out as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Triple = tuple[int, int, int]
Path = tuple[int, ...]


@dataclass(frozen=True)
class Tables:
    """Contexts as lists, and a normalised matrix D^-½ A D^-½ for each entity and each relation.

    Attributes
    ----------
    most
        Context elements that every matrix has room for.
    neighbours, paths
        Of each entity and each relation that has a context.
    entity_matrices, relation_matrices
        Tensors of shape (objects, most + 1, most + 1).
    """

    most: int
    neighbours: dict[int, list[int]]
    paths: dict[int, list[Path]]
    entity_matrices: Tensor
    relation_matrices: Tensor


def build(
    triples: Sequence[Triple],
    entities: int,
    relations: int,
    most: int,
    digests: tuple[Callable[[int], int], Callable[[Path], int]],
) -> Tables:
    """All contexts; `digests` order neighbours and paths where there are more than `most`."""
    around: dict[int, set[int]] = {}
    out: dict[int, list[tuple[int, int]]] = {}
    for head, relation, tail in triples:
        if head != tail:
            around.setdefault(head, set()).add(tail)
            around.setdefault(tail, set()).add(head)
        out.setdefault(head, []).append((tail, relation))
    beside: dict[int, set[Path]] = {}
    for head, relation, tail in triples:
        beside.setdefault(relation, set()).update(paths_from(head, relation, out).get(tail, []))
    for entity, near in around.items():
        if len(near) > most:
            around[entity] = set(sorted(near, key=digests[0])[:most])
    for relation, found in beside.items():
        if len(found) > most:
            beside[relation] = set(sorted(found, key=digests[1])[:most])
    neighbours = {entity: list(members) for entity, members in around.items()}
    paths = {relation: list(members) for relation, members in beside.items()}

    def entities_linked(one: int, other: int) -> bool:
        return one in around and other in around[one]

    def paths_linked(one: Path, other: Path) -> bool:
        return len(one) == 1 and one[0] in beside and other in beside[one[0]]

    entity_matrices = torch.empty(entities, most + 1, most + 1)
    for entity in range(entities):
        entity_matrices[entity] = matrix(neighbours.get(entity, []), most, entities_linked)
    relation_matrices = torch.empty(relations, most + 1, most + 1)
    for relation in range(relations):
        relation_matrices[relation] = matrix(paths.get(relation, []), most, paths_linked)
    return Tables(most, neighbours, paths, entity_matrices, relation_matrices)


def paths_from(head: int, relation: int, out: dict[int, list[tuple[int, int]]]) -> dict[int, list[Path]]:
    """Paths of one or two relations from an entity to every entity; the relation itself is no path of one."""
    paths: dict[int, list[Path]] = {}
    steps: dict[int, list[int]] = {}
    for tail, other in out.get(head, []):
        if other != relation:
            paths.setdefault(tail, []).append((other,))
        steps.setdefault(tail, []).append(other)
    for middle, firsts in steps.items():
        for tail, second in out.get(middle, []):
            paths.setdefault(tail, []).extend((first, second) for first in firsts)
    return paths


def matrix(members: Sequence[Any], most: int, linked: Callable[[Any, Any], bool]) -> Tensor:
    """D^-½ A D^-½ of an object and its context, whose pads are linked to the object and counted."""
    adjacent = torch.eye(most + 1)
    adjacent[0, :] = 1
    adjacent[:, 0] = 1
    degrees = 2 * np.eye(most + 1)
    degrees[0, 0] = most + 1
    for i, one in enumerate(members):
        for j, other in enumerate(members):
            if i != j and linked(one, other):
                adjacent[i + 1, j + 1] = 1
                degrees[i + 1, i + 1] += 1
    roots = torch.from_numpy(np.linalg.inv(degrees)).float().sqrt()
    return roots.mm(adjacent).mm(roots)


class Encoder(nn.Module):
    """The tables and weights of all entities, or of all relations, and a dense computation over padded contexts."""

    def __init__(
        self, weights: dict[str, Tensor], contexts: dict[int, list[int]], width: int, matrices: Tensor
    ) -> None:
        super().__init__()
        objects, dim = weights["knowledge"].shape
        self.knowledge = nn.Parameter(weights["knowledge"].clone())
        self.context = nn.Embedding(objects + 1, dim, padding_idx=objects)
        with torch.no_grad():
            self.context.weight[:objects] = weights["context"]
            self.context.weight[objects] = 0
        for name in ("projection", "gate", "attention"):
            setattr(self, name, nn.Parameter(weights[name].clone()))
        self.contexts, self.width, self.matrices, self.nothing = contexts, width, matrices, [objects] * width

    projection: nn.Parameter
    gate: nn.Parameter
    attention: nn.Parameter

    def forward(self, numbers: Tensor) -> Tensor:
        """Joint embeddings, each number encoded for itself however often it is there."""
        own = self.knowledge[numbers.numpy()]
        elements: list[int] = []
        for number in numbers:
            elements.extend(self.contexts.get(int(number), self.nothing))
        matrices = self.matrices[numbers.numpy()]
        most, dim = matrices.shape[1] - 1, own.shape[1]
        given = self.context(torch.tensor(elements)).view(-1, most, self.width // most, dim).sum(2)
        nodes = torch.cat([own.unsqueeze(1), given], 1)
        hidden = torch.relu(torch.matmul(torch.matmul(matrices, nodes), self.projection))
        tiled = torch.cat([own] * (most + 1), 1).reshape(-1, most + 1, dim)
        alpha = torch.softmax(torch.matmul(torch.relu(hidden * tiled), self.attention), 1)
        pooled = (alpha.unsqueeze(2) * hidden).sum(1)
        gate = torch.sigmoid(self.gate)
        return gate * own + (1 - gate) * pooled


class Padded(nn.Module):
    """The published model, with the weights of one of ours.

    Parameters
    ----------
    state
        Of our model, as `state_dict` gives it.
    tables
        Made by `build`.
    margin, norm
        Of the loss, and of the translation.
    """

    def __init__(self, state: dict[str, Tensor], tables: Tables, *, margin: float = 10.0, norm: int = 2) -> None:
        super().__init__()
        sides = [
            {name.partition(".")[2]: value for name, value in state.items() if name.startswith(side)}
            for side in ("entities.", "relations.")
        ]
        pads = [len(side["knowledge"]) for side in sides]
        most = tables.most
        of_entities = {
            entity: members + [pads[0]] * (most - len(members)) for entity, members in tables.neighbours.items()
        }
        of_relations = {}
        for relation, members in tables.paths.items():
            flat = [number for path in members for number in (*path, pads[1])[:2]]
            of_relations[relation] = flat + [pads[1]] * (2 * most - len(flat))
        self.entities = Encoder(sides[0], of_entities, most, tables.entity_matrices)
        self.relations = Encoder(sides[1], of_relations, 2 * most, tables.relation_matrices)
        self.criterion, self.norm = nn.MarginRankingLoss(margin, reduction="sum"), norm

    def distances(self, triples: Tensor) -> Tensor:
        """‖h* + r* - t*‖ of triples of shape (n, 3)."""
        heads, relations, tails = triples.T
        joint = self.entities(heads) + self.relations(relations) - self.entities(tails)
        apart: Tensor = torch.linalg.vector_norm(joint, ord=self.norm, dim=1)
        return apart

    def forward(self, facts: Tensor, wrong: Tensor) -> Tensor:
        """The loss of facts and of one corrupted triple each."""
        loss: Tensor = self.criterion(self.distances(facts), self.distances(wrong), torch.tensor([-1.0]))
        return loss


def negatives(
    triples: Sequence[Triple], known: set[Triple], entities: int, head_rate: float, seed: int
) -> list[Triple]:
    """A corrupted triple for each, drawn one by one."""
    drawn, found = random.Random(seed), []
    for head, relation, tail in triples:
        while True:
            entity = drawn.randint(0, entities - 1)
            wrong = (entity, relation, tail) if drawn.random() < head_rate else (head, relation, entity)
            if wrong not in known:
                break
        found.append(wrong)
    return found


def ranks(
    entities: Tensor, relations: Tensor, triples: Sequence[Triple], known: set[Triple], norm: int = 2
) -> list[list[int]]:
    """Filtered optimistic ranks of head and tail, counted in a list of the distances of all entities."""
    found = []
    for triple in triples:
        sides = []
        for place in (0, 2):
            batch = np.zeros((len(entities), 3), np.int32)
            for column in range(3):
                batch[:, column] = np.array([triple[column]] * len(entities))
            batch[:, place] = np.array(list(range(len(entities))))
            heads, kinds, tails = torch.from_numpy(batch).long().T
            apart = entities[heads] + relations[kinds] - entities[tails]
            values = torch.linalg.vector_norm(apart, ord=norm, dim=1).numpy().tolist()
            true = values[triple[place]]
            rank = 1
            for entity, value in enumerate(values):
                other = (entity, triple[1], triple[2]) if place == 0 else (triple[0], triple[1], entity)
                if value < true and other not in known:
                    rank += 1
            sides.append(rank)
        found.append(sides)
    return found
