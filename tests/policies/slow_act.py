"""ACT in plain NumPy from the weights as PyTorch stores them, one step at a time: what the fast one is checked against.

It shares no code with the policy: convolutions are sums over kernel offsets, attention loops over heads.
"""

import math

import numpy as np

STAGES = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3), "resnet10_eighth": (1, 1, 1, 1)}


def convolve(x, kernel, stride=1, dilation=1):
    """x (channel, row, column), kernel (out, in, k, k), "same" zero padding for odd kernels."""
    out, _, k, _ = kernel.shape
    pad = dilation * (k // 2)
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    reach = dilation * (k - 1) + 1
    rows, columns = (padded.shape[1] - reach) // stride + 1, (padded.shape[2] - reach) // stride + 1
    result = np.zeros((out, rows, columns))
    for i in range(k):
        for j in range(k):
            top, left = i * dilation, j * dilation
            part = padded[
                :, top : top + stride * (rows - 1) + 1 : stride, left : left + stride * (columns - 1) + 1 : stride
            ]
            result += np.einsum("oc,crs->ors", kernel[:, :, i, j], part)
    return result


def frozen_norm(x, w, name):
    shape = (-1, 1, 1)
    mean, variance = w[f"{name}.running_mean"].reshape(shape), w[f"{name}.running_var"].reshape(shape)
    return (x - mean) / np.sqrt(variance + 1e-5) * w[f"{name}.weight"].reshape(shape) + w[f"{name}.bias"].reshape(shape)


def max_pool(x):
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    rows, columns = (x.shape[1] - 1) // 2 + 1, (x.shape[2] - 1) // 2 + 1
    windows = [padded[:, i : i + 2 * rows - 1 : 2, j : j + 2 * columns - 1 : 2] for i in range(3) for j in range(3)]
    return np.max(windows, axis=0)


def relu(x):
    return np.maximum(x, 0)


def resnet(x, w, kind, dilated=False):
    """The last stage's maps (channel, row, column)."""
    x = max_pool(relu(frozen_norm(convolve(x, w["conv1.weight"], 2), w, "bn1")))
    for stage, count in enumerate(STAGES[kind], start=1):
        for block in range(count):
            n = f"layer{stage}.{block}"
            stride = 2 if block == 0 and stage in (2, 3, 4) and not (stage == 4 and dilated) else 1
            spread = 2 if stage == 4 and dilated and block > 0 else 1
            if kind == "resnet50":
                y = relu(frozen_norm(convolve(x, w[f"{n}.conv1.weight"]), w, f"{n}.bn1"))
                y = relu(frozen_norm(convolve(y, w[f"{n}.conv2.weight"], stride, spread), w, f"{n}.bn2"))
                y = frozen_norm(convolve(y, w[f"{n}.conv3.weight"]), w, f"{n}.bn3")
            else:
                y = relu(frozen_norm(convolve(x, w[f"{n}.conv1.weight"], stride, spread), w, f"{n}.bn1"))
                y = frozen_norm(convolve(y, w[f"{n}.conv2.weight"], 1, spread), w, f"{n}.bn2")
            if f"{n}.downsample.0.weight" in w:
                x = frozen_norm(convolve(x, w[f"{n}.downsample.0.weight"], stride), w, f"{n}.downsample.1")
            x = relu(x + y)
    return x


def positions(rows, columns, dim):
    result = np.zeros((rows, columns, dim))
    half = dim // 2
    for r in range(rows):
        for c in range(columns):
            for j in range(half):
                period = 10000 ** (2 * (j // 2) / half)
                wave = math.sin if j % 2 == 0 else math.cos
                result[r, c, j] = wave((r + 1) / (rows + 1e-6) * 2 * math.pi / period)
                result[r, c, half + j] = wave((c + 1) / (columns + 1e-6) * 2 * math.pi / period)
    return result.reshape(rows * columns, dim)


def linear(x, w, name):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def norm(x, w, name):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[
        f"{name}.bias"
    ]


def attention(q, k, v, w, name, heads):
    dim = q.shape[-1]
    weight, bias, size = w[f"{name}.in_proj_weight"], w[f"{name}.in_proj_bias"], dim // heads
    q, k, v = (x @ weight[i * dim : (i + 1) * dim].T + bias[i * dim : (i + 1) * dim] for i, x in enumerate((q, k, v)))
    weights, values = [], []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        logits = q[:, part] @ k[:, part].T / math.sqrt(size)
        exponents = np.exp(logits - logits.max(-1, keepdims=True))
        weights.append(exponents / exponents.sum(-1, keepdims=True))
        values.append(weights[-1] @ v[:, part])
    return linear(np.concatenate(values, -1), w, f"{name}.out_proj"), np.array(weights)


def mlp(x, w, name, activation):
    x = linear(x, w, f"{name}.linear1")
    x = relu(x) if activation == "relu" else x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    return linear(x, w, f"{name}.linear2")


def act(w, options, *, images=(), state=None, environment=None, backbone="resnet18", dilated=False):
    """Actions and attention {stack: layers} from flat weights (names without "model."), as LeRobot's description has it."""
    heads, pre, activation = options["n_heads"], options["pre_norm"], options["feedforward_activation"]
    dim, chunk = options["dim_model"], options["chunk_size"]
    tokens = [linear(np.zeros(options["latent_dim"]), w, "encoder_latent_input_proj")]
    tokens += [] if state is None else [linear(state, w, "encoder_robot_state_input_proj")]
    tokens += [] if environment is None else [linear(environment, w, "encoder_env_state_input_proj")]
    x, place = np.array(tokens), [w["encoder_1d_feature_pos_embed.weight"]]
    for image in images:
        part = {n.removeprefix("backbone."): a for n, a in w.items() if n.startswith("backbone.")}
        maps = resnet(np.moveaxis(image, -1, 0), part, backbone, dilated)
        cells = np.einsum("oc,crs->rso", w["encoder_img_feat_input_proj.weight"][:, :, 0, 0], maps)
        x = np.concatenate([x, cells.reshape(-1, dim) + w["encoder_img_feat_input_proj.bias"]])
        place.append(positions(maps.shape[1], maps.shape[2], dim))
    place = np.concatenate(place)
    seen = {"encoder": [], "decoder": [], "cross": []}
    for i in range(options["n_encoder_layers"]):
        n = f"encoder.layers.{i}"
        y = norm(x, w, f"{n}.norm1") if pre else x
        values, weights = attention(y + place, y + place, y, w, f"{n}.self_attn", heads)
        seen["encoder"].append(weights)
        x = x + values if pre else norm(x + values, w, f"{n}.norm1")
        y = mlp(norm(x, w, f"{n}.norm2") if pre else x, w, n, activation)
        x = x + y if pre else norm(x + y, w, f"{n}.norm2")
    memory = norm(x, w, "encoder.norm") if pre else x
    x, own_place = np.zeros((chunk, dim)), w["decoder_pos_embed.weight"]
    for i in range(options["n_decoder_layers"]):
        n = f"decoder.layers.{i}"
        y = norm(x, w, f"{n}.norm1") if pre else x
        values, weights = attention(y + own_place, y + own_place, y, w, f"{n}.self_attn", heads)
        seen["decoder"].append(weights)
        x = x + values if pre else norm(x + values, w, f"{n}.norm1")
        y = norm(x, w, f"{n}.norm2") if pre else x
        values, weights = attention(y + own_place, memory + place, memory, w, f"{n}.multihead_attn", heads)
        seen["cross"].append(weights)
        x = x + values if pre else norm(x + values, w, f"{n}.norm2")
        y = mlp(norm(x, w, f"{n}.norm3") if pre else x, w, n, activation)
        x = x + y if pre else norm(x + y, w, f"{n}.norm3")
    return linear(norm(x, w, "decoder.norm"), w, "action_head"), seen
