"""Hidden states of a model by layer, counted as transformers counts `hidden_states`, and no block run in vain."""

from collections.abc import Collection
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from tokengraft.errors import ModelError


class _ReachedError(Exception):
    """Ends a forward pass behind the last block that was asked for."""


def find_blocks(model: Any) -> nn.ModuleList:
    """The transformer blocks, in order.

    Raises:
        ModelError: the model has no list of as many blocks as its settings say.
    """
    count = model.config.get_text_config().num_hidden_layers
    for module in model.base_model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise ModelError(
        found=f"{type(model).__name__} without a list of {count} blocks",
        expected="a decoder whose blocks stand in one ModuleList",
        do="use objectives that ask for no layer",
    )


def layer_number(model: Any, layer: int) -> int:
    """The layer counted from 0, the embeddings, to the number of blocks: what the head reads.

    Raises:
        ModelError: the model has no such layer.
    """
    count = model.config.get_text_config().num_hidden_layers
    number = layer + count + 1 if layer < 0 else layer
    if not 0 < number <= count:
        raise ModelError(
            found=f"layer {layer} of a model of {count} blocks",
            expected=f"1 to {count}, or −1 to −{count} from the end",
            do="change the number behind @ in distill.objective",
        )
    return number


def states_by_layer(
    model: Any, embedded: Float[Tensor, "rows width d"], layers: Collection[int], *, final: bool = True, **others: Any
) -> dict[int, Float[Tensor, "rows width d"]]:
    """Hidden states by number: those asked for, and what the head reads under the number of blocks.

    Without `final`, and where it is not asked for, the pass ends behind the last block that is. `others` are handed to
    the model.
    """
    blocks = find_blocks(model)
    wanted = {number for number in layers if number < len(blocks)}
    early = not final and len(blocks) not in layers
    found: dict[int, Tensor] = {}

    def keep(number: int) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            found[number] = output[0] if isinstance(output, tuple) else output
            if early and number == max(wanted):
                raise _ReachedError

        return hook

    hooks = [blocks[number - 1].register_forward_hook(keep(number)) for number in wanted]
    try:
        found[len(blocks)] = model.base_model(inputs_embeds=embedded, use_cache=False, **others).last_hidden_state
    except _ReachedError:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return found
