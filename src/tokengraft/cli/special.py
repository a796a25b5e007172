"""`tokengraft special`: control tokens and whole words for a model, and the way back."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tokengraft.cli.options import Device, Seed

Tokens = Annotated[
    list[str] | None,
    Parameter(name="--token", help="Control token, with similar words after =: '<|user|>=user,User'."),
]
Described = Annotated[list[str] | None, Parameter(help="'<|user|>=what the user says': start from a description.")]
File = Annotated[Path | None, Parameter(help="Tokens in a YAML, JSON or TOML file, or one a line.")]
Words = Annotated[list[str] | None, Parameter(name="--word", help="Word that stays whole, alone and after a space.")]
Spaces = Annotated[str, Parameter(help="Words with a space before them, without, or both: with, without, both.")]
Role = Annotated[str | None, Parameter(help="Token of this role.")]
Replace = Annotated[list[str] | None, Parameter(help="Role whose token may be replaced: pad, bos, eos or unk.")]
Template = Annotated[str | None, Parameter(help="chatml, roles, or a file with a Jinja template.")]
Instead = Annotated[list[str] | None, Parameter(name="--template-token", help="'<|im_end|>=<|end|>': use the second.")]
Multiple = Annotated[int, Parameter(help="Rows of the tables are rounded up to a multiple of this.")]
Share = Annotated[float, Parameter(help="Probability that all new tokens together may take before training.")]
Settle = Annotated[
    str | None,
    Parameter(
        help="Let tokens learn to be unnoticed at first: on a file of texts, `own` for the model's own, or `no`. "
        "Unset: `own` for a small model."
    ),
]
Data = Annotated[Path | None, Parameter(help="Training set (JSON Lines): does it use the tokens?")]


def special(
    model: Annotated[str, Parameter(help="Model folder or hub id; an adapter's folder with --data or --out.")],
    /,
    *,
    token: Tokens = None,
    describe: Described = None,
    tokens: File = None,
    word: Words = None,
    leading_space: Spaces = "both",
    pad: Role = None,
    bos: Role = None,
    eos: Role = None,
    unk: Role = None,
    replace: Replace = None,
    chat_template: Template = None,
    template_token: Instead = None,
    tokenizer: Annotated[str | None, Parameter(help="Tokenizer, where the model's folder has none.")] = None,
    out: Annotated[Path | None, Parameter(help="New folder for the model.")] = None,
    in_place: Annotated[bool, Parameter(negative="", help="Replace the folder, whole or not at all.")] = False,
    remove: Annotated[bool, Parameter(negative="", help="Take back what was added last.")] = False,
    data: Data = None,
    pad_to_multiple_of: Multiple = 1,
    share: Share = 1e-3,
    settle: Settle = None,
    device: Device = "auto",
    seed: Seed = 0,
    trust_remote_code: Annotated[bool, Parameter(help="Run code that comes with the model.")] = False,
    json: Annotated[bool, Parameter(negative="", help="Print JSON for machines.")] = False,
) -> None:
    """Add control tokens or whole words to a model and its tokenizer, safely; take them back; check a training set."""
    from tokengraft.cli.special_summary import print_special
    from tokengraft.special.command import run_command

    roles = {"pad": pad, "bos": bos, "eos": eos, "unk": unk}
    adding = {"token": token, "describe": describe, "tokens": tokens, "word": word, "roles": roles,
              "replace": replace, "chat_template": chat_template, "template_token": template_token}  # fmt: skip
    settings = {"pad_to_multiple_of": pad_to_multiple_of, "share": share, "device": device or "auto",
                "seed": seed or 0, "trust_remote_code": trust_remote_code, "leading_space": leading_space,
                "settle": settle}  # fmt: skip
    done = run_command(
        model, adding, settings, tokenizer=tokenizer, out=out, in_place=in_place, remove=remove, data=data
    )
    print_special(done, machine=json)
