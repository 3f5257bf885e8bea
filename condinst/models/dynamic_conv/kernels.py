"""Triton kernels of the dynamic network, called by ``condinst.models.dynamic_conv.fused``.

Every thread owns a few locations and keeps the hidden activations of an instance's network in
registers. All arithmetic is float32 on the ordinary cores, never TF32.

Shapes: B images, N instances, K parameters, C mask feature channels, D hidden channels, H x W
locations, L layers, T locations of a tile. ``LAYERS`` holds four numbers per layer: where its
weights and its biases start in the parameter vector, and its channels in and out. Loops wrap these
in ``tl.constexpr``, because Triton before 3.8 forgets that an element is a constant. No kernel may
have an argument called ``params``: Triton's own code for the call would overwrite it.
"""

# Triton's way of building a tuple, ``x = x + (y,)``, is not mypy's.
# mypy: disable-error-code="assignment"
from __future__ import annotations

from typing import Any

try:
    import triton
    import triton.language as tl
except ImportError:  # a platform without wheels, such as macOS or a torch for CPUs
    triton = tl = None
if triton is not None and tuple(int(x) for x in triton.__version__.split(".")[:2]) < (3, 5):
    triton = tl = None  # no products with fewer than 16 rows, or no tuples (torch before 2.9)

# Sizes and strides change with every batch. A kernel compiled for any value is compiled only once.
SIZES = ["image_stride", "channel_stride", "pixel_stride", "num_pixels", "width", "stride"]
SIZES += ["num_splits", "zero"]


def _jit(kernel: Any) -> Any:
    """Apply ``triton.jit``; without Triton the kernels are never called."""
    if triton is None:
        return kernel
    names = kernel.__code__.co_varnames[: kernel.__code__.co_argcount]
    return triton.jit(kernel, do_not_specialize=[name for name in SIZES if name in names])


@_jit
def _load_features(maps, channel_stride, offsets, inside, NUM_FEATURES: tl.constexpr):
    """Load the features at T locations as a tuple of C tensors (T,)."""
    feats = ()
    for c in tl.static_range(NUM_FEATURES):
        value = tl.load(maps + c * channel_stride + offsets, mask=inside, other=0.0)
        feats = feats + (value.to(tl.float32),)
    return feats


@_jit
def _coordinates(points, coord_scales, n, pixels, width, stride):
    """Compute (point - location) / scale, x and y: two tensors (T,).

    The difference comes first, because it cancels large numbers.
    """
    x = ((pixels % width).to(tl.float32) + 0.5) * stride
    y = ((pixels // width).to(tl.float32) + 0.5) * stride
    inverse = 1.0 / tl.load(coord_scales + n)
    point_x, point_y = tl.load(points + 2 * n), tl.load(points + 2 * n + 1)
    return ((point_x - x) * inverse, (point_y - y) * inverse)


@_jit
def _activations(x, vector, LAYERS: tl.constexpr, NUM_LAYERS: tl.constexpr):
    """Compute the input of each layer and, last, the logit: L + 1 tuples of (T,) tensors."""
    inputs = (x,)
    for i in tl.static_range(NUM_LAYERS):
        outputs = ()
        for d in tl.static_range(tl.constexpr(LAYERS[4 * i + 3])):
            y = tl.load(vector + LAYERS[4 * i + 1] + d)
            for c in tl.static_range(tl.constexpr(LAYERS[4 * i + 2])):
                y += tl.load(vector + LAYERS[4 * i] + d * LAYERS[4 * i + 2] + c) * inputs[i][c]
            if i < NUM_LAYERS - 1:
                # NaN stays NaN, as in torch
                y = tl.maximum(y, 0.0, propagate_nan=tl.PropagateNan.ALL)
            outputs = outputs + (y,)
        inputs = inputs + (outputs,)
    return inputs


@_jit
def _load_again(weight):
    """Load a weight of the forward pass again.

    ``.ca`` is the default cache modifier, but without it the compiler would merge the two loads and
    hold all K weights in registers between them.
    """
    return tl.load(weight, cache_modifier=".ca")


@_jit
def _input_grads(grads, inputs, vector, LAYERS: tl.constexpr, LAYER: tl.constexpr):
    """Compute the gradients of a layer's input without coordinates, from those of its output."""
    input_grads = ()
    for c in tl.static_range(
        tl.constexpr(0 if LAYER > 0 else 2), tl.constexpr(LAYERS[4 * LAYER + 2])
    ):
        column = vector + LAYERS[4 * LAYER] + c
        total = _load_again(column) * grads[0]
        for d in tl.static_range(1, tl.constexpr(LAYERS[4 * LAYER + 3])):
            total += _load_again(column + d * LAYERS[4 * LAYER + 2]) * grads[d]
        if LAYER > 0:  # the input is the output of a ReLU
            total = tl.where(inputs[c] <= 0.0, 0.0, total)
        input_grads = input_grads + (total,)
    return input_grads


@_jit
def forward_kernel(
    maps, vectors, points, coord_scales, starts, logits,
    image_stride, channel_stride, pixel_stride, num_pixels, width, stride, num_splits,
    LAYERS: tl.constexpr, NUM_LAYERS: tl.constexpr, NUM_PARAMS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Compute the logits.

    Program (t, s, b) takes tile t of image b and every ``num_splits``-th of its instances from s
    on.
    """
    pixels = tl.program_id(0) * TILE + tl.arange(0, TILE)
    inside = pixels < num_pixels
    image = tl.program_id(2)
    maps += image.to(tl.int64) * image_stride
    feats = _load_features(maps, channel_stride, pixels * pixel_stride, inside, LAYERS[2] - 2)
    first = tl.load(starts + image) + tl.program_id(1)
    for n in range(first, tl.load(starts + image + 1), num_splits):
        x = _coordinates(points, coord_scales, n, pixels, width, stride) + feats
        outputs = _activations(x, vectors + n * NUM_PARAMS, LAYERS, NUM_LAYERS)[NUM_LAYERS]
        row = n * tl.cast(num_pixels, tl.int64)
        tl.store(logits + row + pixels, outputs[0], mask=inside)


@_jit
def feature_grads_kernel(
    grad_logits, maps, vectors, points, coord_scales, starts, partials,
    image_stride, channel_stride, pixel_stride, num_pixels, width, stride, num_splits,
    LAYERS: tl.constexpr, NUM_LAYERS: tl.constexpr, NUM_PARAMS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of the features.

    Program (t, s, b), as in the forward pass, writes the sums over its instances to partials[s, b].
    """
    NUM_FEATURES: tl.constexpr = LAYERS[2] - 2
    pixels = tl.program_id(0) * TILE + tl.arange(0, TILE)
    inside = pixels < num_pixels
    image = tl.program_id(2)
    maps += image.to(tl.int64) * image_stride
    feats = _load_features(maps, channel_stride, pixels * pixel_stride, inside, NUM_FEATURES)
    sums = ()
    for _ in tl.static_range(NUM_FEATURES):
        sums = sums + (tl.zeros([TILE], tl.float32),)
    first = tl.load(starts + image) + tl.program_id(1)
    for n in range(first, tl.load(starts + image + 1), num_splits):
        vector = vectors + n * NUM_PARAMS
        x = _coordinates(points, coord_scales, n, pixels, width, stride) + feats
        inputs = _activations(x, vector, LAYERS, NUM_LAYERS)
        row = n * tl.cast(num_pixels, tl.int64)
        grads = (tl.load(grad_logits + row + pixels, mask=inside, other=0.0),)
        for i in tl.static_range(NUM_LAYERS - 1, 0, -1):
            grads = _input_grads(grads, inputs[i], vector, LAYERS, i)
        grads = _input_grads(grads, inputs[0], vector, LAYERS, 0)
        new_sums = ()
        for c in tl.static_range(NUM_FEATURES):
            new_sums = new_sums + (sums[c] + grads[c],)
        sums = new_sums
    slot = tl.program_id(1).to(tl.int64) * tl.num_programs(2) + image
    for c in tl.static_range(NUM_FEATURES):
        tl.store(partials + (slot * NUM_FEATURES + c) * num_pixels + pixels, sums[c], mask=inside)


@_jit
def _stack(values, NUM: tl.constexpr, LOG_SIZE: tl.constexpr, TILE: tl.constexpr):
    """Stack a tuple of NUM tensors (T,) into one (T, 2 ** LOG_SIZE), filled up with ones."""
    stacked = values
    for _ in tl.static_range(NUM, 2**LOG_SIZE):
        stacked = stacked + (tl.full([TILE], 1.0, tl.float32),)
    for i in tl.static_range(LOG_SIZE):
        pairs = ()
        for c in tl.static_range(2 ** (LOG_SIZE - 1 - i)):
            pairs = pairs + (tl.join(stacked[c], stacked[c + 2 ** (LOG_SIZE - 1 - i)]),)
        stacked = pairs
    return tl.reshape(stacked[0], [TILE, 2**LOG_SIZE])


@_jit
def param_grads_kernel(
    grad_logits, maps, vectors, points, coord_scales, img_inds, partials,
    image_stride, channel_stride, pixel_stride, num_pixels, width, stride, num_splits, zero,
    LAYERS: tl.constexpr, NUM_LAYERS: tl.constexpr, NUM_PARAMS: tl.constexpr, TILE: tl.constexpr,
    LOG_ROWS: tl.constexpr, LOG_COLS: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of the parameters.

    Program (n, s) takes instance n and every ``num_splits``-th tile from s on, and writes the sums
    to partials[n, s].

    A layer's gradients are one product: the gradients of its output, (D, T), times its input with a
    one for the bias, (T, D + 1).
    """
    n = tl.program_id(0)
    maps += tl.load(img_inds + n).to(tl.int64) * image_stride
    grad_logits += n * tl.cast(num_pixels, tl.int64)
    sums = ()
    for i in tl.static_range(NUM_LAYERS):
        sums = sums + (tl.zeros([2 ** LOG_ROWS[i], 2 ** LOG_COLS[i]], tl.float32),)
    for tile in range(tl.program_id(1), tl.cdiv(num_pixels, TILE), num_splits):
        pixels = tile * TILE + tl.arange(0, TILE)
        inside = pixels < num_pixels
        # "tile * zero" hides from the compiler that this is one address; knowing it, the compiler
        # would keep all K weights in registers during the loop
        vector = vectors + n * NUM_PARAMS + tile * zero
        x = _coordinates(points, coord_scales, n, pixels, width, stride) + _load_features(
            maps, channel_stride, pixels * pixel_stride, inside, LAYERS[2] - 2
        )
        inputs = _activations(x, vector, LAYERS, NUM_LAYERS)
        grads = (tl.load(grad_logits + pixels, mask=inside, other=0.0),)
        new_sums = ()
        for i in tl.static_range(NUM_LAYERS - 1, -1, -1):
            left = _stack(grads, LAYERS[4 * i + 3], LOG_ROWS[i], TILE)
            entered = _stack(inputs[i], LAYERS[4 * i + 2], LOG_COLS[i], TILE)
            total = tl.dot(tl.trans(left), entered, sums[i], input_precision="ieee")
            new_sums = (total,) + new_sums
            if i > 0:
                grads = _input_grads(grads, inputs[i], vector, LAYERS, i)
        sums = new_sums
    partials += (n.to(tl.int64) * num_splits + tl.program_id(1)) * NUM_PARAMS
    for i in tl.static_range(NUM_LAYERS):
        row = tl.arange(0, 2 ** LOG_ROWS[i])[:, None]
        col = tl.arange(0, 2 ** LOG_COLS[i])[None, :]
        weight = LAYERS[4 * i] + row * LAYERS[4 * i + 2] + col
        at = tl.where(col < LAYERS[4 * i + 2], weight, LAYERS[4 * i + 1] + row)
        tl.store(
            partials + at, sums[i], mask=(row < LAYERS[4 * i + 3]) & (col <= LAYERS[4 * i + 2])
        )
