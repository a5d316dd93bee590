"""SmolVLA, pi0 and pi0.5 in plain NumPy from the weights as PyTorch stores them: what the fast ones are checked against.

It shares no code with the policies: pictures are resized pixel by pixel, attention is one query and one head at a time.
"""

import numpy as np

SMOLVLA, PI = "vlm_with_expert.", "paligemma_with_expert."


def linear(x, w, name):
    return x @ w[f"{name}.weight"].T.astype(float) + w.get(f"{name}.bias", 0.0)


def silu(x):
    return x / (1 + np.exp(-x))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def layer_norm(x, w, name):
    normed = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return normed * w[f"{name}.weight"] + w[f"{name}.bias"]


def root_mean_square(x, eps):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)


def resized(image, size):
    """Bilinear, half-pixel centres, edges repeated, no antialiasing."""
    result = np.zeros((*size, 3))
    for row in range(size[0]):
        for column in range(size[1]):
            at = [
                (place + 0.5) * old / new - 0.5
                for place, old, new in zip((row, column), image.shape, size, strict=False)
            ]
            at = [min(max(place, 0.0), old - 1) for place, old in zip(at, image.shape, strict=False)]
            (top, left), (down, right) = [int(p) for p in at], [p - int(p) for p in at]
            below, beside = min(top + 1, image.shape[0] - 1), min(left + 1, image.shape[1] - 1)
            upper = image[top, left] * (1 - right) + image[top, beside] * right
            lower = image[below, left] * (1 - right) + image[below, beside] * right
            result[row, column] = upper * (1 - down) + lower * down
    return result


def fitted(image, size, corner):
    ratio = max(image.shape[1] / size[1], image.shape[0] / size[0])
    height, width = int(image.shape[0] / ratio), int(image.shape[1] / ratio)
    above, left = size[0] - height, size[1] - width
    above, left = (above, left) if corner else (above // 2, left // 2)
    padded = np.zeros((*size, 3))
    padded[above : above + height, left : left + width] = resized(image, (height, width))
    return padded * 2 - 1


def turned(x, positions):
    """Rotary positions of (token, head, channel)."""
    result, half = np.zeros_like(x), x.shape[-1] // 2
    for token, position in enumerate(positions):
        for i in range(half):
            angle = position / 10000 ** (2 * i / x.shape[-1])
            a, b = x[token, :, i], x[token, :, half + i]
            result[token, :, i] = a * np.cos(angle) - b * np.sin(angle)
            result[token, :, half + i] = b * np.cos(angle) + a * np.sin(angle)
    return result


def attention(q, k, v, mask):
    """Values (query, inner) and weights (head, query, key); a row that sees nothing is uniform."""
    share = q.shape[1] // k.shape[1]
    weights = np.zeros((q.shape[1], len(q), len(k)))
    values = np.zeros(q.shape)
    for head in range(q.shape[1]):
        for row in range(len(q)):
            logits = k[:, head // share] @ q[row, head] / np.sqrt(q.shape[2])
            logits = np.where(mask[row], logits, -np.inf) if mask[row].any() else np.zeros(len(k))
            grown = np.exp(logits - logits.max())
            weights[head, row] = grown / grown.sum()
            values[row, head] = weights[head, row] @ v[:, head // share]
    return values.reshape(len(q), -1), weights


def patches(image, w, name, heads):
    """SigLIP of a picture in -1..1, patches row by row."""
    kernel = w[f"{name}embeddings.patch_embedding.weight"].astype(float)
    size = kernel.shape[-1]
    rows = []
    for top in range(0, image.shape[0], size):
        for left in range(0, image.shape[1], size):
            rows.append(np.einsum("ocij,ijc->o", kernel, image[top : top + size, left : left + size]))
    x = np.array(rows) + w[f"{name}embeddings.patch_embedding.bias"] + w[f"{name}embeddings.position_embedding.weight"]
    layer = 0
    while f"{name}encoder.layers.{layer}.layer_norm1.weight" in w:
        n = f"{name}encoder.layers.{layer}"
        y = layer_norm(x, w, f"{n}.layer_norm1")
        q, k, v = (linear(y, w, f"{n}.self_attn.{part}_proj").reshape(len(y), heads, -1) for part in "qkv")
        x = x + linear(attention(q, k, v, np.ones((len(x), len(x)), bool))[0], w, f"{n}.self_attn.out_proj")
        x = x + linear(gelu(linear(layer_norm(x, w, f"{n}.layer_norm2"), w, f"{n}.mlp.fc1")), w, f"{n}.mlp.fc2")
        layer += 1
    return layer_norm(x, w, f"{name}post_layernorm")


def time_code(time, dim, config):
    shortest, longest = config.get("min_period", 4e-3), config.get("max_period", 4.0)
    angles = 2 * np.pi * time / (shortest * (longest / shortest) ** np.linspace(0, 1, dim // 2))
    return np.concatenate([np.sin(angles), np.cos(angles)])


def padded_state(state, config):
    return np.pad(state, (0, config["max_state_dim"] - len(state)))


def slow_smolvla(config, vlm, w, images, words, real_words, state, noise, special=(0, 0)):
    """Actions with their padding, and the weights of each layer of the prefix and of each pass and layer of the suffix.

    `images` are 0..1, in the order of the config's cameras; None is one that is missing.
    """
    text, n = vlm["text_config"], f"{SMOLVLA}vlm.model."
    dim, scale = text["head_dim"], np.sqrt(text["hidden_size"])
    width, height = config["resize_imgs_with_padding"]
    missing = sum(image is None for image in images)
    shown = [(fitted(image, (height, width), True), True) for image in images if image is not None]
    shown += [(-np.ones((height, width, 3)), False)] * min(missing, config.get("empty_cameras", 0))
    table = w[f"{n}text_model.embed_tokens.weight"].astype(float)
    tokens, real = [], []
    for picture, there in shown:
        x = patches(picture, w, f"{n}vision_model.", vlm["vision_config"]["num_attention_heads"])
        side, s = int(np.sqrt(len(x))), vlm["scale_factor"]
        grid = x.reshape(side, side, -1)
        blocks = [grid[r : r + s, c : c + s].reshape(-1) for r in range(0, side, s) for c in range(0, side, s)]
        around = config.get("add_image_special_tokens", False)
        rows = list(linear(np.array(blocks), w, f"{n}connector.modality_projection.proj") * scale)
        tokens += [table[special[0]], table[special[1]], *rows, table[special[0]]] if around else rows
        real += [True, True, *[there] * len(rows), True] if around else [there] * len(rows)
    tokens += [*table[words] * scale, linear(padded_state(state, config), w, "state_proj")]
    real += [*real_words, True]
    late = [False] * (len(tokens) - 1) + [True]
    behind = max(0, config.get("prefix_length", -1) - len(tokens))
    x = np.array(tokens + [np.zeros(len(tokens[0]))] * behind)
    real, late = np.array(real + [False] * behind), np.array(late + [True] * behind)
    mask = real[:, None] & real[None] & (late[:, None] | ~late[None])
    at, cache, seen = np.cumsum(real) - 1, [], {}
    split = lambda y: y.reshape(len(y), -1, dim)  # noqa: E731

    def mlp(x, name):
        y = root_mean_square(x, 1e-5) * w[f"{name}.post_attention_layernorm.weight"]
        inner = silu(linear(y, w, f"{name}.mlp.gate_proj")) * linear(y, w, f"{name}.mlp.up_proj")
        return x + linear(inner, w, f"{name}.mlp.down_proj")

    for layer in range(config["num_vlm_layers"]):
        name = f"{n}text_model.layers.{layer}"
        y = root_mean_square(x, 1e-5) * w[f"{name}.input_layernorm.weight"]
        q, k, v = (split(linear(y, w, f"{name}.self_attn.{part}_proj")) for part in "qkv")
        cache.append((turned(k, at), v))
        values, seen["prefix", layer] = attention(turned(q, at), cache[-1][0], v, mask)
        x = mlp(x + linear(values, w, f"{name}.self_attn.o_proj"), name)
    chunk, passes, every = config["chunk_size"], config["num_steps"], config.get("self_attn_every_n_layers", 2)
    actions, behind_prefix = noise.astype(float), real.sum() + np.arange(chunk)
    for number in range(passes):
        x = linear(actions, w, "action_in_proj")
        time = np.broadcast_to(time_code(1 - number / passes, x.shape[1], config), x.shape)
        x = linear(silu(linear(np.concatenate([x, time], 1), w, "action_time_mlp_in")), w, "action_time_mlp_out")
        for layer in range(config["num_vlm_layers"]):
            name = f"{SMOLVLA}lm_expert.layers.{layer}"
            y = root_mean_square(x, 1e-5) * w[f"{name}.input_layernorm.weight"]
            q, (k, v) = split(linear(y, w, f"{name}.self_attn.q_proj")), cache[layer]
            rules = np.repeat(real[None], chunk, 0)
            if every > 0 and layer % every == 0:
                own = turned(split(linear(y, w, f"{name}.self_attn.k_proj")), behind_prefix)
                k = np.concatenate([k, own])
                v = np.concatenate([v, split(linear(y, w, f"{name}.self_attn.v_proj"))])
                rules = np.concatenate([rules, np.tri(chunk, dtype=bool)], 1)
                q = turned(q, behind_prefix)
            else:
                k = split(linear(k.reshape(len(k), -1), w, f"{name}.self_attn.k_proj"))
                v = split(linear(v.reshape(len(v), -1), w, f"{name}.self_attn.v_proj"))
                q = turned(q, np.arange(chunk))
            values, seen["suffix", number, layer] = attention(q, k, v, rules)
            x = mlp(x + linear(values, w, f"{name}.self_attn.o_proj"), name)
        x = root_mean_square(x, 1e-5) * w[f"{SMOLVLA}lm_expert.norm.weight"]
        actions = actions - linear(x, w, "action_out_proj") / passes
    return actions, seen


def slow_pi(config, heads, w, images, words, real_words, state, noise):
    """The same of a pi0 or pi0.5; `heads` are those of the vision encoder. The state of a pi0.5 is among its words."""
    five, n = config["type"] == "pi05", f"{PI}paligemma.model."
    size = tuple(config["image_resolution"])
    pictures = [fitted(image, size, False) for image in images if image is not None]
    there = [True] * len(pictures) + [False] * (len(images) - len(pictures))
    pictures += [-np.ones((*size, 3))] * (len(images) - len(pictures))
    encoded = [
        linear(patches(each, w, f"{n}vision_tower.vision_model.", heads), w, f"{n}multi_modal_projector.linear")
        for each in pictures
    ]
    table = w[f"{n}language_model.embed_tokens.weight"].astype(float)
    x = np.concatenate([*encoded, table[words] * np.sqrt(table.shape[1])])
    real = np.concatenate([np.repeat(there, len(encoded[0])), real_words])
    dim = w[f"{n}language_model.layers.0.self_attn.q_proj.weight"].shape[0] // 8
    split = lambda y: y.reshape(len(y), -1, dim)  # noqa: E731

    def norm(x, name, condition):
        y = root_mean_square(x, 1e-6)
        if condition is None:
            return y * (1 + w[f"{name}.weight"]), 1.0
        scale, shift, gate = np.split(linear(condition, w, f"{name}.dense"), 3)
        return y * (1 + scale) + shift, gate

    def block(x, name, at, mask, condition=None, before=None):
        y, gate = norm(x, f"{name}.input_layernorm", condition)
        q, k, v = (split(linear(y, w, f"{name}.self_attn.{part}_proj")) for part in "qkv")
        own = turned(k, at), v
        k, v = own if before is None else (np.concatenate(pair) for pair in zip(before, own, strict=True))
        values, weights = attention(turned(q, at), k, v, mask)
        x = x + linear(values, w, f"{name}.self_attn.o_proj") * gate
        y, gate = norm(x, f"{name}.post_attention_layernorm", condition)
        inner = gelu(linear(y, w, f"{name}.mlp.gate_proj")) * linear(y, w, f"{name}.mlp.up_proj")
        return x + linear(inner, w, f"{name}.mlp.down_proj") * gate, own, weights

    seen, cache, layer = {}, [], 0
    mask, at = real[:, None] & real[None], np.cumsum(real) - 1
    while f"{n}language_model.layers.{layer}.input_layernorm.weight" in w:
        x, own, seen["prefix", layer] = block(x, f"{n}language_model.layers.{layer}", at, mask)
        cache.append(own)
        layer += 1
    chunk, passes = config["chunk_size"], config["num_inference_steps"]
    suffix = chunk if five else chunk + 1
    own = np.ones((suffix, suffix), bool)
    if not five:
        own[0, 1:] = False
    mask = np.concatenate([np.repeat(real[None], suffix, 0), own], 1)
    actions, at = noise.astype(float), real.sum() + np.arange(suffix)
    for number in range(passes):
        x, condition = linear(actions, w, "action_in_proj"), None
        time = time_code(1 - number / passes, x.shape[1], config)
        if five:
            condition = silu(linear(silu(linear(time, w, "time_mlp_in")), w, "time_mlp_out"))
        else:
            both = np.concatenate([x, np.broadcast_to(time, x.shape)], 1)
            x = linear(silu(linear(both, w, "action_time_mlp_in")), w, "action_time_mlp_out")
            x = np.concatenate([linear(padded_state(state, config), w, "state_proj")[None], x])
        for layer, before in enumerate(cache):
            name = f"{PI}gemma_expert.model.layers.{layer}"
            x, _, seen["suffix", number, layer] = block(x, name, at, mask, condition, before)
        y, _ = norm(x, f"{PI}gemma_expert.model.norm", condition)
        actions = actions - linear(y[-chunk:], w, "action_out_proj") / passes
    return actions, seen
