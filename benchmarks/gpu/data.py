"""Data of all kinds that nearest codes are taken of: rows (N x D) and a codebook (K x D), made on the host."""

import torch

KINDS = ["normal", "trained", "offset", "heavy-tailed", "duplicated codes", "grid", "tiny values", "large values"]


def make(kind, rows_count, codes_count, features, seed=1):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    rows = normal(rows_count, features)
    codebook = normal(codes_count, features)
    if kind == "trained":
        # Rows around the codes that they have, as after training.
        rows = codebook[torch.randint(codes_count, (rows_count,), generator=generator)] + 0.3 * rows
    elif kind == "offset":
        rows, codebook = rows + 1000, codebook + 1000
    elif kind == "heavy-tailed":
        rows, codebook = rows / normal(rows_count, 1).abs().clamp(1e-3), codebook / normal(codes_count, 1).abs().clamp(1e-3)
    elif kind == "duplicated codes":
        codebook = codebook[torch.arange(codes_count) % max(1, codes_count // 4)].contiguous()
    elif kind == "grid":
        rows, codebook = rows.round(), codebook.round()
    elif kind == "tiny values":
        rows, codebook = rows * 1e-20, codebook * 1e-20
    elif kind == "large values":
        rows, codebook = rows * 1e15, codebook * 1e15
    return rows.contiguous(), codebook.contiguous()
