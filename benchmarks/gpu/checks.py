"""The CUDA implementation against the CPU's, bit for bit, on data of all kinds."""

import torch

import data
from native_library import NativeError

SHAPES = [(1, 1, 1), (257, 130, 3), (4099, 512, 32), (2048, 1024, 128), (1000, 257, 768), (511, 4096, 1030)]
DRY_SHAPES = [(1, 1, 1), (67, 40, 3), (130, 129, 20)]


def to(device, *tensors):
    return [each.to(device) for each in tensors]


def assigned(library, rows, codebook, device):
    (rows_count, features), codes_count = rows.shape, codebook.shape[0]
    packed = torch.empty(library.packed_codebook_bytes(codes_count, features) + 64, dtype=torch.uint8, device=device)
    packed = packed[-packed.data_ptr() % 64:]
    codes = torch.full((rows_count,), -1, dtype=torch.int32, device=device)
    library.pack_codebook(codebook, codes_count, features, packed)
    library.assign(rows, rows_count, 1, features, packed, codes_count, codes)
    return codes


def step(library, rows, codebook, device):
    """Codes, and what a training step makes of them."""
    (rows_count, features), codes_count = rows.shape, codebook.shape[0]

    def empty(*shape, dtype=torch.float32):
        return torch.zeros(*shape, dtype=dtype, device=device)

    codes = assigned(library, rows, codebook, device)
    output, left = empty(rows_count, features), empty(rows_count, features)
    distances, counts = empty(rows_count), empty(codes_count, dtype=torch.int64)
    sample_means, mean = empty(1, dtype=torch.float64), empty(1, dtype=torch.float64)
    of_rows, of_codes, sums = empty(rows_count, features), empty(codes_count, features), empty(codes_count, features)
    means, variances = empty(features), empty(features)
    moved = codebook.clone()
    library.lookup(codebook, codes_count, codes, rows_count, 1, features, output)
    library.commitment_loss(rows, rows_count, 1, features, codebook, codes, 1, distances, sample_means, mean, None, left)
    library.count_codes(codes, rows_count, codes_count, counts)
    library.input_gradient(rows, output, rows_count, 1, features, codebook, codes, 0.1, of_rows)
    library.codebook_gradient(rows, output, rows_count, 1, features, codebook, codes, codes_count, 0.9, 0.5, of_codes)
    library.scatter(rows, rows_count, 1, features, codes, codes_count, sums)
    library.moments(rows, rows_count, 1, features, 1, features, means, variances)
    library.update_centroids(sums, counts, codes_count, features, moved)
    return {"codes": codes, "output": output, "left": left, "distances": distances, "mean": mean, "counts": counts,
            "gradient of rows": of_rows, "gradient of codes": of_codes, "sums": sums, "means": means,
            "variances": variances, "moved codebook": moved}


def differences(cpu, device_library, device, shapes):
    """What differs, in words, as it is found; nothing where all bits are equal."""
    for kind in data.KINDS:
        for rows_count, codes_count, features in shapes:
            rows, codebook = data.make(kind, rows_count, codes_count, features)
            try:
                for difference in differences_of(cpu, device_library, device, rows, codebook):
                    yield f"{kind}, {rows_count} x {codes_count} x {features}: {difference}"
            except NativeError as failure:
                yield f"{kind}, {rows_count} x {codes_count} x {features}: {failure}"
    yield from missed_errors(cpu, device_library, device)


def differences_of(cpu, device_library, device, rows, codebook):
    expected = step(cpu, rows, codebook, "cpu")
    on_device = to(device, rows, codebook)
    got = step(device_library, *on_device, device)
    for name, tensor in expected.items():
        if not torch.equal(tensor.view(torch.uint8), got[name].cpu().view(torch.uint8)):
            yield f"other bits in the {name}"
    for kernel in device_library.assignments(rows.shape[1]):
        device_library.assign_by(kernel)
        try:
            codes = assigned(device_library, *on_device, device)
        finally:
            device_library.assign_as_usual()
        if not torch.equal(codes.cpu(), expected["codes"]):
            yield f"other codes by {kernel}"


def missed_errors(cpu, device_library, device):
    rows, codebook = data.make("normal", 300, 40, 7)
    rows[123, 5] = float("nan")
    for library, place in ((cpu, "cpu"), (device_library, device)):
        try:
            assigned(library, *to(place, rows, codebook), place)
            yield f"{place}: a NaN in row 123 is no error"
        except NativeError as failure:
            if "row 123" not in str(failure):
                yield f"{place}: the error does not name row 123: {failure}"
