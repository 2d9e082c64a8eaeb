"""Golden numbers of a model: everything that a fixture's `expected*.safetensors` hold.

Owns decoding, beam search and losses of the fixtures, written for clarity: no KV cache where a
whole forward pass will do. Must never write files or draw weights.
"""

from dataclasses import dataclass

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn.functional import cross_entropy

from openvla_reference import OpenVlaReference, published_name

Tensors = dict[str, Tensor]
IGNORED = -100
ACTION_TOKENS = 7
UNIT_TOKENS = 8
STREAM_TOKENS = 2 * UNIT_TOKENS
BEAM_WIDTHS = (2, 3)


@dataclass
class Margins:
    """How far the discrete choices are from another outcome, in units of log-probability."""

    greedy: float
    beam: float


def next_log_probs(model: OpenVlaReference, features: Tensor, ids: Tensor) -> Tensor:
    """log p [B, vocabulary] of the token after each row of `ids` [B, T], in float64."""
    embeddings = model.embed(features.expand(len(ids), -1, -1), ids)
    logits = model.language_model(inputs_embeds=embeddings, use_cache=False).logits
    return logits[:, -1].double().log_softmax(dim=-1)


def greedy(
    model: OpenVlaReference, features: Tensor, ids: Tensor, count: int
) -> tuple[Tensor, Tensor, float]:
    """`count` most likely tokens after `ids` [1, T], no token excluded and EOS without effect;
    their log-probabilities; the smallest lead of a chosen token over the next best.
    """
    tokens, log_probs, margin = [], [], float("inf")
    for _ in range(count):
        best = next_log_probs(model, features, ids)[0].topk(2)
        tokens.append(best.indices[0])
        log_probs.append(best.values[0])
        margin = min(margin, (best.values[0] - best.values[1]).item())
        ids = torch.cat([ids, best.indices[:1].unsqueeze(0)], dim=1)
    return torch.stack(tokens), torch.stack(log_probs).float(), margin


def greedy_cached(model: OpenVlaReference, features: Tensor, ids: Tensor, count: int) -> Tensor:
    """Log-probabilities of what `greedy` chooses, through the KV cache."""
    outputs = model.language_model(inputs_embeds=model.embed(features, ids), use_cache=True)
    log_probs = []
    for _ in range(count):
        best = outputs.logits[:, -1].log_softmax(dim=-1).max(dim=-1)
        log_probs.append(best.values[0])
        outputs = model.language_model(
            input_ids=best.indices.unsqueeze(1),
            past_key_values=outputs.past_key_values,
            use_cache=True,
        )
    return torch.stack(log_probs)


def beam_search(
    model: OpenVlaReference, features: Tensor, ids: Tensor, width: int, count: int
) -> tuple[Tensor, Tensor, float]:
    """Token-level beam search without length penalty or EOS rule: hypotheses [width, count],
    best first; their scores; the smallest gap that decided which hypotheses stay or lead.
    """
    prompt, scores, margin = ids.shape[1], torch.zeros(1, dtype=torch.float64), float("inf")
    for _ in range(count):
        totals = scores.unsqueeze(1) + next_log_probs(model, features, ids)
        best = totals.flatten().topk(width + 1)
        margin = min(margin, (best.values[-2] - best.values[-1]).item())
        scores, places = best.values[:-1], best.indices[:-1]
        parents, tokens = places // totals.shape[1], places % totals.shape[1]
        ids = torch.cat([ids[parents], tokens.unsqueeze(1)], dim=1)
    margin = min(margin, *(scores[:-1] - scores[1:]).tolist())
    return ids[:, prompt:], scores.float(), margin


def activations(model: OpenVlaReference, inputs: Tensors) -> Tensors:
    """What the model computes on the way to its logits."""
    pixel_values = inputs["pixel_values"]
    dino, siglip = model.vision_backbone.patches(pixel_values)
    features = torch.cat([dino, siglip], dim=-1)
    outputs = model(pixel_values, inputs["input_ids"])
    hidden = {f"hidden_states_{i}": state for i, state in enumerate(outputs.hidden_states)}
    return {
        "dino_patches": dino,
        "siglip_patches": siglip,
        "patch_features": features,
        "projected_patch_embeddings": model.projector(features),
        "logits": outputs.logits,
        **hidden,
    }


def decodings(model: OpenVlaReference, inputs: Tensors) -> tuple[Tensors, Margins]:
    """Greedy and beam-searched tokens with their scores."""
    features, ids = model.vision_features(inputs["pixel_values"]), inputs["input_ids"]
    found: Tensors = {}
    margins = Margins(greedy=float("inf"), beam=float("inf"))
    for count in (ACTION_TOKENS, STREAM_TOKENS):
        tokens, log_probs, margin = greedy(model, features, ids, count)
        found[f"greedy_{count}"] = tokens
        found[f"greedy_{count}_token_logprobs"] = log_probs
        margins.greedy = min(margins.greedy, margin)
    units = found[f"greedy_{STREAM_TOKENS}_token_logprobs"].view(-1, UNIT_TOKENS)
    found[f"greedy_{STREAM_TOKENS}_unit_logprobs_8"] = units.sum(dim=1)
    found[f"greedy_{STREAM_TOKENS}_unit_logprobs_7of8"] = units[:, :ACTION_TOKENS].sum(dim=1)
    for width in BEAM_WIDTHS:
        tokens, scores, margin = beam_search(model, features, ids, width, STREAM_TOKENS)
        found[f"beam{width}_tokens{STREAM_TOKENS}"] = tokens
        found[f"beam{width}_scores"] = scores
        margins.beam = min(margins.beam, margin)
    return found, margins


def cache_difference(model: OpenVlaReference, inputs: Tensors) -> float:
    """Largest difference between log-probabilities decoded with and without a KV cache."""
    features, ids = model.vision_features(inputs["pixel_values"]), inputs["input_ids"]
    _, whole, _ = greedy(model, features, ids, STREAM_TOKENS)
    return (greedy_cached(model, features, ids, STREAM_TOKENS) - whole).abs().max().item()


def batch_logits(model: OpenVlaReference, inputs: Tensors) -> Tensor:
    """Logits [2, P + T, vocabulary] of the right-padded batch."""
    return model(
        inputs["batch_pixel_values"], inputs["batch_input_ids"], inputs["batch_attention_mask"]
    ).logits


def supervised_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean of -log p over all supervised tokens of logits [B, P + T, V] and labels [B, T]."""
    predictions = logits[:, -labels.shape[1] : -1]
    return cross_entropy(predictions.transpose(1, 2), labels[:, 1:], ignore_index=IGNORED)


def token_log_probs(logits: Tensor, labels: Tensor) -> Tensor:
    """log p(labels[t + 1]) [B, T - 1] at position t, zero where not supervised."""
    predictions = logits[:, -labels.shape[1] : -1].log_softmax(dim=-1)
    targets = labels[:, 1:]
    chosen = predictions.gather(2, targets.clamp(min=0).unsqueeze(2)).squeeze(2)
    return chosen.masked_fill(targets == IGNORED, 0.0)


def batch_numbers(model: OpenVlaReference, inputs: Tensors) -> Tensors:
    """Losses and log-probabilities of the batch; row 0 of it is a stream of two units."""
    logits, labels = batch_logits(model, inputs), inputs["batch_labels"]
    log_probs = token_log_probs(logits, labels)
    stream = log_probs[0][labels[0, 1:] != IGNORED]
    return {
        "batch_logits": logits,
        "batch_loss": supervised_loss(logits, labels).view(1),
        "batch_loss_row0_only": supervised_loss(logits[:1], labels[:1]).view(1),
        "batch_token_logprobs": log_probs,
        "batch_seq_logprobs": log_probs.sum(dim=1),
        "batch_stream_unit_logprobs": stream.view(-1, UNIT_TOKENS).sum(dim=1),
    }


def expected(model: OpenVlaReference, inputs: Tensors) -> tuple[Tensors, Margins]:
    """Everything of expected.safetensors."""
    with torch.no_grad():
        decoded, margins = decodings(model, inputs)
        return {**activations(model, inputs), **decoded, **batch_numbers(model, inputs)}, margins


def gradients(model: OpenVlaReference, inputs: Tensors) -> Tensors:
    """Gradient of the batch loss by published parameter name, where there is one."""
    model.zero_grad(set_to_none=True)
    supervised_loss(batch_logits(model, inputs), inputs["batch_labels"]).backward()
    return {
        published_name(name): value.grad
        for name, value in model.named_parameters()
        if value.grad is not None
    }


def adapter_expected(model: OpenVlaReference, adapted: PeftModel, inputs: Tensors) -> Tensors:
    """Everything of adapter/expected.safetensors; `adapted` wraps `model`, whose linear layers
    peft has replaced.
    """
    model.zero_grad(set_to_none=True)
    logits = batch_logits(model, inputs)
    loss = supervised_loss(logits, inputs["batch_labels"])
    loss.backward()
    grads = {
        f"grad.{name}": value.grad
        for name, value in adapted.named_parameters()
        if value.grad is not None
    }
    with torch.no_grad():
        single = model(inputs["pixel_values"], inputs["input_ids"]).logits
    numbers = {"logits": single, "batch_logits": logits, "batch_loss": loss.view(1)}
    return {**{name: value.detach() for name, value in numbers.items()}, **grads}
