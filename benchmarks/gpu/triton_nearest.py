"""Nearest codes by a fused Triton kernel: scores z.c - |c|^2 / 2 by tl.dot, the best of each row kept, no N x K matrix.

A peer that is as good as we could make it: tiles chosen by the autotuner for every shape; either a reduction for each block
of codes, or the best score kept for each column of the block and one reduction at the end, which spares registers or work.
"""

import os

import torch
import triton
import triton.language as tl

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
CONFIGS = [
    triton.Config({"ROWS": rows, "CODES": codes, "FEATURES": features, "KEEP_COLUMNS": keep}, num_warps=warps,
                  num_stages=stages)
    for rows, codes, features, warps, stages in [
        (128, 128, 32, 8, 3), (128, 64, 64, 4, 3), (128, 128, 64, 8, 4), (256, 64, 64, 8, 3), (64, 256, 32, 8, 4)]
    for keep in (False, True)
]
if INTERPRETED:
    CONFIGS = [triton.Config({"ROWS": 16, "CODES": 16, "FEATURES": 16, "KEEP_COLUMNS": True})]


@triton.autotune(configs=CONFIGS, key=["rows_count", "codes_count", "features", "PRECISION"])
@triton.jit
def nearest_kernel(rows, codebook, half_squares, codes, rows_count, codes_count, features, ROWS: tl.constexpr,
                   CODES: tl.constexpr, FEATURES: tl.constexpr, KEEP_COLUMNS: tl.constexpr, PRECISION: tl.constexpr):
    n = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    k_of_block = tl.arange(0, CODES)
    d_of_block = tl.arange(0, FEATURES)
    row_starts = n.to(tl.int64)[:, None] * features
    best_score = tl.full([ROWS, CODES] if KEEP_COLUMNS else [ROWS], float("-inf"), tl.float32)
    best_code = tl.zeros([ROWS, CODES] if KEEP_COLUMNS else [ROWS], tl.int32)
    for first_code in range(0, codes_count, CODES):
        k = first_code + k_of_block
        scores = tl.zeros([ROWS, CODES], tl.float32)
        for first_feature in range(0, features, FEATURES):
            d = first_feature + d_of_block
            z = tl.load(rows + row_starts + d[None, :], (n[:, None] < rows_count) & (d[None, :] < features), 0.0)
            c = tl.load(codebook + k[None, :] * features + d[:, None], (k[None, :] < codes_count) & (d[:, None] < features),
                        0.0)
            scores = tl.dot(z, c, scores, input_precision=PRECISION)
        scores -= tl.load(half_squares + k, k < codes_count, float("inf"))[None, :]
        if KEEP_COLUMNS:
            better = scores > best_score
            best_score = tl.where(better, scores, best_score)
            best_code = tl.where(better, k[None, :], best_code)
        else:
            score, column = tl.max(scores, 1, return_indices=True)
            better = score > best_score
            best_score = tl.where(better, score, best_score)
            best_code = tl.where(better, first_code + column, best_code)
    if KEEP_COLUMNS:
        score = tl.max(best_score, 1)
        # The lowest code of the best: columns of other blocks may hold the same score.
        best_of_row = tl.min(tl.where(best_score == score[:, None], best_code, codes_count), 1)
        tl.store(codes + n, best_of_row, n < rows_count)
    else:
        tl.store(codes + n, best_code, n < rows_count)


def nearest(rows, codebook, half_squares, precision, codes):
    """Writes the codes of row-major rows. precision: "ieee" or "tf32" for fp32 operands, ignored for fp16."""
    rows_count, features = rows.shape

    def grid(meta):
        return (triton.cdiv(rows_count, meta["ROWS"]),)

    nearest_kernel[grid](rows, codebook, half_squares, codes, rows_count, codebook.shape[0], features, PRECISION=precision)
    return codes


def half_squared_lengths(codebook):
    return 0.5 * (codebook.float() ** 2).sum(1)


def check(device):
    """Both forms of the kernel against torch on a small case with ties; raises what is wrong."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(53, 20, generator=generator).to(device)
    codebook = torch.randn(37, 20, generator=generator).to(device)
    codebook[20:] = codebook[:17].clone()
    half_squares = half_squared_lengths(codebook)
    expected = torch.cdist(rows.double(), codebook.double()).argmin(1).tolist()
    for keep in (False, True):
        found = torch.empty(53, dtype=torch.int32, device=device)
        nearest_kernel.fn[(4,)](rows, codebook, half_squares, found, 53, 37, 20, ROWS=16, CODES=16, FEATURES=16,
                                KEEP_COLUMNS=keep, PRECISION="ieee")
        if found.tolist() != expected:
            raise AssertionError(f"the Triton kernel finds {found.tolist()}, need {expected}")
