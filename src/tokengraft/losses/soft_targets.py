"""p(new token | context) of the teacher for every new token, from one pass over the text in its own tokenization.

Let D(t) = (d₁ … d_L) be the pieces of t. Where the text goes on with d₁ … d_j after the context, the teacher's pass
over that very text has P(d_k | context, d₁ … d_{k−1}) for every k up to j + 1. What lies beyond is replaced by its mean
over the places where the text did come so far. Where the text does not show the first piece, j is 0 and P(d₁ | context)
alone is exact. A longer token t′ that begins with the pieces of t takes its own mass away from t.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.losses.fused_head import Head

LOGIT_ROWS = 256
"""Positions whose logits exist at one time."""


@dataclass(frozen=True, slots=True)
class PieceTree:
    """Pieces of all new tokens, arranged so that what each position's text can begin is found at once."""

    pieces: Int[Tensor, "new depth"]
    """−1 behind the last one."""
    lengths: Int[Tensor, " new"]
    parent: Int[Tensor, " new"]
    """The longest other new token whose pieces this one's begin with; −1: none."""
    order: Int[Tensor, " new"]
    """Tokens by their first piece."""
    tails: Float[Tensor, "new depth"]
    """Log of the mean probability of each piece behind the ones before; 0 for the first, and behind the last."""

    @classmethod
    def of(cls, pieces: Sequence[Sequence[int]]) -> "PieceTree":
        """The tree of tokens with these pieces, their tails still unknown (probability 1)."""
        depth = max(map(len, pieces))
        table = np.full((len(pieces), depth), -1, dtype=np.int64)
        for row, parts in enumerate(pieces):
            table[row, : len(parts)] = parts
        number = {tuple(parts): row for row, parts in enumerate(pieces)}
        parents = [_parent(tuple(parts), number) for parts in pieces]
        tensor = torch.from_numpy(table)
        return cls(
            tensor, torch.tensor([len(parts) for parts in pieces]), torch.tensor(parents),
            tensor[:, 0].argsort(stable=True), torch.zeros(len(pieces), depth),
        )  # fmt: skip

    @property
    def first(self) -> Int[Tensor, " new"]:
        """First piece of every token."""
        return self.pieces[:, 0]

    def to(self, device: torch.device) -> "PieceTree":
        """The same tree on another device."""
        return PieceTree(*(getattr(self, name).to(device) for name in self.__slots__))

    def with_tails(self, sums: Float[Tensor, "new depth"], counts: Float[Tensor, "new depth"]) -> "PieceTree":
        """The tree with mean probabilities sums / counts, drawn to the mean of all by one observation of it."""
        overall = float(sums.sum() / counts.sum().clamp_min(1))
        means = (sums + max(overall, 1e-6)) / (counts + 1)
        inside = torch.arange(self.pieces.shape[1], device=sums.device)[None] < self.lengths[:, None]
        inside[:, 0] = False
        tails = torch.where(inside, means.log(), torch.zeros_like(means))
        return PieceTree(self.pieces, self.lengths, self.parent, self.order, tails.float())


def _parent(pieces: tuple[int, ...], number: Mapping[tuple[int, ...], int]) -> int:
    shorter = (number.get(pieces[:size], -1) for size in range(len(pieces) - 1, 1, -1))
    return next((place for place in shorter if place >= 0), -1)


@dataclass(frozen=True, slots=True)
class Followed:
    """For each context and each token whose first piece the text shows there: what the teacher says of the rest."""

    context: Int[Tensor, " pairs"]
    token: Int[Tensor, " pairs"]
    log_rest: Float[Tensor, " pairs"]
    """Log probability of the pieces behind the first."""
    seen: tuple[Int[Tensor, " seen"], Int[Tensor, " seen"], Float[Tensor, " seen"]]
    """(token, depth, probability) of every piece that was read off the teacher, for the means."""


@torch.no_grad()
def follow(
    tree: PieceTree,
    ids: Int[Tensor, "rows width"],
    lengths: Int[Tensor, " rows"],
    contexts: Int[Tensor, " contexts"],
    hidden: Float[Tensor, "places d"],
    head: Head,
) -> Followed:
    """What the teacher says of the tokens that the text begins behind each context.

    `ids` are the base's own tokenization, `contexts` flat places in it, `hidden` the teacher's states at all places.
    """
    flat, width = ids.flatten(), ids.shape[1]
    last = torch.arange(len(lengths), device=ids.device).repeat_interleave(width) * width + (
        lengths.repeat_interleave(width) - 1
    )
    after = torch.where(contexts < last[contexts], flat[(contexts + 1).clamp_max(len(flat) - 1)], -1)
    context, token = _begun(tree, after)
    place = contexts[context]
    end = last[place]
    alive = torch.ones_like(token, dtype=torch.bool)
    rest = torch.zeros(len(token), device=ids.device)
    asked: list[tuple[Tensor, int]] = []
    for depth in range(1, tree.pieces.shape[1]):
        inside = tree.lengths[token] > depth
        rest += torch.where(inside & ~alive, tree.tails[token, depth], torch.zeros_like(rest))
        asked.append(((inside & alive).nonzero()[:, 0], depth))
        beyond = place + depth + 1
        shown = flat[beyond.clamp_max(len(flat) - 1)] == tree.pieces[token, depth]
        alive = alive & inside & shown & (beyond <= end)
    pairs = torch.cat([pair for pair, _ in asked]) if asked else token[:0]
    depths = torch.cat([torch.full_like(pair, depth) for pair, depth in asked]) if asked else token[:0]
    known = log_probabilities(head, hidden, place[pairs] + depths, tree.pieces[token[pairs], depths])
    rest.index_add_(0, pairs, known)
    return Followed(context, token, rest, (token[pairs], depths, known.exp()))


def _begun(tree: PieceTree, after: Int[Tensor, " contexts"]) -> tuple[Tensor, Tensor]:
    """All (context, token) whose first piece is the context's next id."""
    firsts = tree.first[tree.order]
    begin, end = torch.searchsorted(firsts, after), torch.searchsorted(firsts, after, right=True)
    count = torch.where(after >= 0, end - begin, torch.zeros_like(begin))
    context = torch.arange(len(after), device=after.device).repeat_interleave(count)
    within = torch.arange(len(context), device=after.device) - (count.cumsum(0) - count).repeat_interleave(count)
    return context, tree.order[begin[context] + within]


@torch.no_grad()
def log_probabilities(
    head: Head, hidden: Float[Tensor, "places d"], places: Int[Tensor, " asked"], ids: Int[Tensor, " asked"]
) -> Float[Tensor, " asked"]:
    """Log P(id | place) over the base vocabulary, for places in any order; logits exist a few places at a time."""
    result = torch.empty(len(places), device=hidden.device)
    needed, which = places.unique(return_inverse=True)
    order = which.argsort()
    edges = torch.arange(0, len(needed) + LOGIT_ROWS, LOGIT_ROWS, device=places.device)
    bounds = torch.searchsorted(which[order], edges)
    for number, start in enumerate(range(0, len(needed), LOGIT_ROWS)):
        states = hidden[needed[start : start + LOGIT_ROWS]]
        logits = head.projection.logits(states, head.weight, head.bias)
        members = order[bounds[number] : bounds[number + 1]]
        row = which[members] - start
        result[members] = logits[row, ids[members]] - logits.logsumexp(1)[row]
    return result


@dataclass(frozen=True, slots=True)
class SoftTargets:
    """Targets of some positions, made chunk by chunk: `states` are the teacher's there; None: the student's own."""

    tree: PieceTree
    states: Float[Tensor, "positions d"] | None
    context: Int[Tensor, " pairs"]
    token: Int[Tensor, " pairs"]
    log_rest: Float[Tensor, " pairs"]

    def at(
        self, where: slice, teacher: Float[Tensor, "chunk base"], old: Float[Tensor, "chunk base"]
    ) -> tuple[Float[Tensor, "chunk new"], Float[Tensor, " chunk"]]:
        """(p(new | context), Σ p(old | context) · old logit) of a chunk, from the teacher's logits there.

        `teacher` is left as it is; `old` are the student's logits.
        """
        tree = self.tree
        log_p = teacher - teacher.logsumexp(1, keepdim=True)
        log_first = log_p[:, tree.first]
        full = log_first + tree.tails.sum(1)
        edges = torch.tensor([where.start, where.stop], device=old.device)
        begin, end = torch.searchsorted(self.context, edges).tolist()
        row, column = self.context[begin:end] - where.start, self.token[begin:end]
        full[row, column] = log_first[row, column] + self.log_rest[begin:end]
        full = full.exp_()
        soft = full.clone()
        child = (tree.parent >= 0).nonzero()[:, 0]
        soft.index_add_(1, tree.parent[child], full[:, child], alpha=-1)
        top = (tree.parent < 0).nonzero()[:, 0]
        stays = (log_p.exp_() * old).sum(1) - (full[:, top] * old[:, tree.first[top]]).sum(1)
        return soft.clamp_min_(0), stays
