"""Flags of the commands that choose tokens, as settings of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tokengraft.cli.options import Settings, assignments, nested
from tokengraft.config import RunConfig, as_mappings, merged, read_settings


@Parameter(name="*")
@dataclass(frozen=True)
class TokenFlags:
    """What is chosen, from what, and how."""

    model: Annotated[str | None, Parameter(help="Model or tokenizer folder, tokenizer.json, or hub id.")] = None
    corpus: Annotated[
        str | None, Parameter(help="Folder, .txt, .jsonl[.gz|.zst], parquet file, or hub:owner/name.")
    ] = None
    field: Annotated[str | None, Parameter(help="Name of the text field in the corpus.")] = None
    general: Annotated[str | None, Parameter(help="Guard text, outside the domain.")] = None
    size: Annotated[int | None, Parameter(help="Number of new tokens, at most.")] = None
    method: Annotated[str | None, Parameter(help="continued-bpe, words, donor, superwords or frequency.")] = None
    scorer: Annotated[str | None, Parameter(help="count, saved or domain-share.")] = None
    filters: Annotated[
        list[str] | None,
        Parameter(name="--filter", help="numerals, whitespace, incomplete, longer-than:N, pattern:RE."),
    ] = None
    min_count: Annotated[int | None, Parameter(help="Least occurrences of a pair.")] = None
    min_exposure: Annotated[int | None, Parameter(help="Least occurrences of a token for itself.")] = None
    gain: Annotated[float | None, Parameter(help="Stop where a token saves less per million tokens.")] = None
    words: Annotated[list[str] | None, Parameter(name="--word", help="A text that must stay whole.")] = None
    words_file: Annotated[str | None, Parameter(help="File of such texts, one a line.")] = None
    leading_space: Annotated[str | None, Parameter(help="Words begin with a space: both, with, without, given.")] = None
    words_as_added: Annotated[bool | None, Parameter(help="Words that merges cannot make: added tokens.")] = None
    donor: Annotated[str | None, Parameter(help="Tokenizer whose tokens are taken over.")] = None
    reference: Annotated[str | None, Parameter(help="Text outside the domain, for domain-share.")] = None
    guard_share: Annotated[float | None, Parameter(help="Share of general text's tokens that must stay.")] = None
    allow: Annotated[list[str] | None, Parameter(help="Name of a promise that may be broken.")] = None
    seed: Annotated[int | None, Parameter(help="Seed of everything that is drawn.")] = None

    def config(self, file: Path | None, settings: Settings) -> RunConfig:
        """The settings of a file with these flags over them.

        Raises:
            ConfigError: a setting is unknown, missing, of the wrong type, or outside its range.
        """
        own = {"model": self.model, "corpus.path": self.corpus, "corpus.field": self.field, "seed": self.seed}
        tokens = {
            name: value
            for name, value in vars(self).items()
            if name not in {"model", "corpus", "field", "seed", "general"}
        }
        flags = {**own, "general.path": self.general, **{f"tokens.{name}": value for name, value in tokens.items()}}
        given = as_mappings(nested({**flags, **assignments(settings)}))
        return RunConfig.from_dict(merged(as_mappings(read_settings(file)) if file else {}, given))
