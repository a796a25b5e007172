"""FOCUS: similar old tokens, told by an auxiliary embedding that is trained on the corpus."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers

DIMENSIONS, EPOCHS, NEGATIVE, LEAST = 100, 3, 10, 10
"""Of the auxiliary embedding, as in the authors' code (https://github.com/konstantinjdobler/focus)."""


@initialisers.register(
    "focus", paper="Dobler & de Melo 2023, https://arxiv.org/abs/2305.14481, eq. 1 to 4", needs=("corpus", "gensim")
)
def focus(table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext) -> Float[Tensor, "new d"]:
    """Combination of old rows whose weights are the sparsemax of cosines in a fastText embedding of the tokens.

    The corpus, encoded by the extended tokenizer, is a text whose words are token ids; fastText (CBOW) embeds them.
    Old tokens that occur are the anchors. A new token that occurs less than ten times (fewer in
    a small corpus) has no auxiliary vector; the authors draw it from a normal distribution, here it starts as the mean
    of its pieces.
    """
    anchors, vectors, known = auxiliary(context, len(table), [token.id for token in tokens])
    start = torch.stack([table[list(token.pieces)].mean(0) for token in tokens])
    if not len(anchors) or not known.any():
        return start
    old, new = (torch.nn.functional.normalize(part, dim=1) for part in (vectors[0], vectors[1]))
    start[known] = sparsemax(new @ old.T) @ table[anchors]
    return start


def auxiliary(
    context: InitContext, base_size: int, new_ids: Sequence[int]
) -> tuple[list[int], tuple[Float[Tensor, "anchors e"], Float[Tensor, "known e"]], Bool[Tensor, " new"]]:
    """(old ids with a vector, their vectors and those of the new ids that have one, which of the new ids have one)."""
    from gensim.models import FastText  # noqa: PLC0415 (an extra)

    given = context.ingredients
    assert given.corpus is not None
    assert given.encode is not None
    sentences = [[str(number) for number in ids] for ids in given.encode(list(given.corpus()))]
    least = min(LEAST, max(1, sum(map(len, sentences)) // 10_000))
    # min_n > max_n: no character n-grams, for the digits of an id mean nothing.
    model = FastText(
        vector_size=DIMENSIONS, window=5, negative=NEGATIVE, sg=0, min_count=least, min_n=2, max_n=1, epochs=EPOCHS,
        workers=1, seed=int(torch.randint(2**31, (1,), generator=context.generator)),
    )  # fmt: skip
    model.build_vocab(sentences)
    model.train(sentences, total_examples=len(sentences), epochs=EPOCHS)
    places = model.wv.key_to_index
    anchors = sorted(number for number in map(int, places) if number < base_size)
    known = torch.tensor([str(number) in places for number in new_ids])
    vectors = torch.from_numpy(model.wv.vectors)

    def chosen(ids: Sequence[int]) -> Float[Tensor, "ids e"]:
        return vectors[[places[str(number)] for number in ids if str(number) in places]].clone()

    return anchors, (chosen(anchors), chosen(new_ids)), known


def sparsemax(scores: Float[Tensor, "rows n"]) -> Float[Tensor, "rows n"]:
    """Euclidean projection of each row onto the simplex (Martins & Astudillo 2016, algorithm 1).

    >>> sparsemax(torch.tensor([[0.5, 0.4, -1.0]]))
    tensor([[0.5500, 0.4500, 0.0000]])
    """
    ordered = scores.sort(dim=1, descending=True).values
    rank = torch.arange(1, scores.shape[1] + 1)
    total = ordered.cumsum(1)
    support = (1 + rank * ordered > total).sum(1, keepdim=True)
    threshold = (total.gather(1, support - 1) - 1) / support
    return (scores - threshold).clamp_min(0)
