"""What is timed: the card's limits, assignment, what is bound by memory, and the whole training step, each beside its peers."""

import ctypes
import dataclasses

import torch

import clock
import data
import native_library

GIBIBYTE = 1 << 30
VQ4J = "vq4j"
ASSIGNMENT = "assignment"
COPY = "copy of the rows"  # reads and writes them: twice the bytes of what does one of both
SMALL = 1 << 32  # multiply-adds of an assignment that does not take much longer than a call from Python


@dataclasses.dataclass
class Row:
    operation: str
    rows: int
    codes: int
    features: int
    data: str
    flops: float
    results: list  # of each contender: its seconds and the bytes that it moves at least, in fp32; or why it failed
    chosen: str = ""  # how vq4j found codes: "simt", "mma" or "wgmma"

    def faults(self):
        """What is wrong with vq4j's own results, in words: it must be measured, and find the canonical codes."""
        for each in self.results:
            if each["contender"].split(",")[0] != VQ4J:
                continue
            what = f"{self.operation}, {self.rows} x {self.codes} x {self.features}, {self.data}: {each['contender']}"
            if "notMeasured" in each:
                yield f"{what} not measured: {each['notMeasured']}"
            elif self.operation == ASSIGNMENT and each.get("equalToCanonical", 0.0) < 1:
                yield f"{what} finds other codes: {100 * each.get('equalToCanonical', 0.0):.5f} % are canonical"


class Timings:
    def __init__(self, library, cpu_library, programs, device, timer, is_dry):
        self.library = library
        self.cpu = cpu_library
        self.programs = programs
        self.device = device
        self.timer = timer
        self.is_dry = is_dry
        torch.backends.cuda.matmul.allow_tf32 = False  # some installations allow it by an environment variable

    def device_answers(self):
        """Whether anything can still be run on it: not after a kernel's bad address, for one."""
        try:
            if self.device != "cpu":
                torch.cuda.synchronize()
            return True
        except Exception:
            return False

    def measured(self, name, work):
        seconds, failures = self.timer.medians({name: work})
        if name in failures:
            raise RuntimeError(f"{name}: {failures[name]}")
        return seconds[name]

    # ---- the card's limits ---------------------------------------------------------------------------------------

    def flops_peak(self):
        """fp32 fused multiply-adds a second, times two."""
        blocks, steps = (1, 10) if self.is_dry else (132 * 32, 4000)
        sums = torch.empty(256 * blocks, device=self.device)

        def work(_):
            self.call("vq4j_benchmark_multiply_adds", blocks, steps, sums)

        seconds = self.measured("peak", work)
        return 2 * 16 * steps * 256 * blocks / seconds

    def copy_rate(self):
        """Bytes read and written a second."""
        source = torch.ones((1 << 10) if self.is_dry else GIBIBYTE // 4, device=self.device)
        target = torch.empty_like(source)
        seconds = self.measured("copy", lambda _: target.copy_(source))
        return 2 * source.numel() * 4 / seconds

    def call(self, name, *arguments):
        """A function of device_programs.cu; its own operations report through the library's last error."""
        values = [each.data_ptr() if hasattr(each, "data_ptr") else each for each in arguments]
        typed = [ctypes.c_int64(each) if isinstance(each, int) and not hasattr(original, "data_ptr") else
                 ctypes.c_void_p(each) for each, original in zip(values, arguments)]
        stream = self.library.stream()
        if getattr(self.programs, name)(ctypes.c_void_p(stream), *typed) != 0:
            raise RuntimeError(f"{name}: {self.library.last_error().decode()}")

    # ---- rows of the table ---------------------------------------------------------------------------------------

    def assignment(self, *shape_and_kind):
        """Nearest codes by what vq4j chooses, by each of its kernels, and by torch."""
        yield self.assignment_row(torch_peers, True, *shape_and_kind)

    def assignment_beside_triton(self, *shape_and_kind):
        yield self.assignment_row(triton_peers, False, *shape_and_kind)

    def assignment_row(self, peers_of, by_each_kernel, rows_count, codes_count, features, kind="normal"):
        rows, codebook = (each.to(self.device) for each in data.make(kind, rows_count, codes_count, features))
        inputs = clock.copies(rows, self.device)
        packed = torch.empty(self.library.packed_codebook_bytes(codes_count, features) + 64, dtype=torch.uint8,
                             device=self.device)
        packed = packed[-packed.data_ptr() % 64:]
        codes = torch.empty(rows_count, dtype=torch.int32, device=self.device)

        def ours(i):
            self.library.pack_codebook(codebook, codes_count, features, packed)
            self.library.assign(in_turn(inputs, i), rows_count, 1, features, packed, codes_count, codes)

        def ours_by(kernel):
            def work(i):
                self.library.assign_by(kernel)
                try:
                    ours(i)
                finally:
                    self.library.assign_as_usual()
                return codes

            return work

        batches = native_library.Batches(self.library)

        def ours_in_batches(i):
            batches.run(lambda: ours(i))
            return codes

        contenders = {VQ4J: ours}
        if by_each_kernel and rows_count * codes_count * features <= SMALL:
            # The other calls of vq4j end with the host waiting for the device; torch's are queued, as batches are.
            contenders[f"{VQ4J}, in batches"] = ours_in_batches
        if by_each_kernel:
            contenders |= {f"{VQ4J}, {each}": ours_by(each) for each in self.library.assignments(features)}
        contenders |= peers_of(inputs, codebook, self.device)
        row = self.row(ASSIGNMENT, (rows_count, codes_count, features), kind, contenders,
                       flops=2.0 * rows_count * codes_count * features, moved=4.0 * rows_count * (features + 1))
        row.chosen = self.library.assignment(rows_count, codes_count, features)
        canonical = None  # vq4j's, which are compared with the CPU's; the others' are compared with them
        for result in row.results:
            if "notMeasured" in result or (canonical is None and result["contender"] != VQ4J):
                continue
            codes.fill_(-1)  # of the contender before
            if canonical is None:
                ours(0)
                canonical = codes.clone()
                result["equalToCanonical"] = self.share_of_canonical(rows, codebook, canonical)
            else:
                found = contenders[result["contender"]](0)
                result["equalToCanonical"] = (found.reshape(-1).int() == canonical).double().mean().item()
        batches.finish_last()
        return row

    def share_of_canonical(self, rows, codebook, codes):
        """The share of codes that are the CPU's, of some 65,536 rows from everywhere."""
        import checks

        step = max(1, rows.shape[0] >> 16)
        expected = checks.assigned(self.cpu, rows[::step].cpu().contiguous(), codebook.cpu(), "cpu")
        return (expected == codes[::step].cpu()).double().mean().item()

    def memory_bound(self, rows_count, codes_count, features):
        """Operations that are bound by memory, each beside a peer and a copy of the rows."""
        library = self.library
        rows, codebook = (each.to(self.device) for each in data.make("normal", rows_count, codes_count, features))
        inputs = clock.copies(rows, self.device)
        codes = torch.randint(codes_count, (rows_count,), dtype=torch.int32, device=self.device)
        long_codes = codes.long()
        out, of_codes = torch.empty_like(rows), torch.empty_like(codebook)
        distances = torch.empty(rows_count, device=self.device)
        means = torch.empty(2, dtype=torch.float64, device=self.device)
        mean, variance = torch.empty(features, device=self.device), torch.empty(features, device=self.device)
        size = (rows_count, codes_count, features)

        def at(i):
            return in_turn(inputs, i)

        copy = {COPY: lambda i: out.copy_(at(i))}
        whole = 4.0 * rows_count * features
        yield self.row("update", size, "normal", {
            VQ4J: lambda i: library.codebook_gradient(at(i), None, rows_count, 1, features, codebook, codes, codes_count, 1.0,
                                                      0.0, of_codes),
            "torch, index_add_": lambda i: of_codes.zero_().index_add_(0, long_codes, codebook[long_codes] - at(i))
        } | copy, moved=whole)
        yield self.row("scatter", size, "normal", {
            VQ4J: lambda i: library.scatter(at(i), rows_count, 1, features, codes, codes_count, of_codes),
            "torch, index_add_": lambda i: of_codes.zero_().index_add_(0, long_codes, at(i))
        } | copy, moved=whole)
        yield self.row("moments", size, "normal", {
            VQ4J: lambda i: library.moments(at(i), rows_count, 1, features, 1, features, mean, variance),
            "torch, var_mean": lambda i: torch.var_mean(at(i), 0, unbiased=False)
        } | copy, moved=whole)
        yield self.row("lookup", size, "normal", {
            VQ4J: lambda i: library.lookup(codebook, codes_count, codes, rows_count, 1, features, out),
            "torch, index_select": lambda i: torch.index_select(codebook, 0, long_codes, out=out)
        } | copy, moved=whole)
        yield self.row("loss", size, "normal", {
            VQ4J: lambda i: library.commitment_loss(at(i), rows_count, 1, features, codebook, codes, 1, distances, means,
                                                    means[1:], None, None),
            "torch, mse_loss": lambda i: torch.nn.functional.mse_loss(at(i), codebook[long_codes])
        } | copy, moved=whole)

    def training_step(self, rows_count, codes_count, features):
        rows, codebook = (each.to(self.device) for each in data.make("normal", rows_count, codes_count, features))
        grad = torch.randn(rows_count, features, device=self.device)
        ours = codebook.clone()
        packed = torch.empty(self.library.packed_codebook_bytes(codes_count, features) + 64, dtype=torch.uint8,
                             device=self.device)
        packed = packed[-packed.data_ptr() % 64:]
        codes = torch.empty(rows_count, dtype=torch.int32, device=self.device)
        counts = torch.empty(codes_count, dtype=torch.int64, device=self.device)
        losses = torch.empty(2, dtype=torch.float64, device=self.device)
        output, of_rows = torch.empty_like(rows), torch.empty_like(rows)
        distances = torch.empty(rows_count, device=self.device)
        of_codes, first, second = (torch.zeros_like(codebook) for _ in range(3))

        repeats = 3 if self.is_dry else 100

        def steps(_):
            self.call("vq4j_benchmark_training_steps", rows, grad, rows_count, features, ours, codes_count, packed, codes,
                      output, distances, losses, counts, of_rows, of_codes, first, second, repeats)

        torch_step = torch_training_step(rows, grad, codebook)

        def torch_steps(_):
            for _ in range(repeats):
                torch_step()

        # Both are timed by many steps in a row; the times are divided by their number.
        row = self.row("training step", (rows_count, codes_count, features), "normal",
                       {VQ4J: steps, "torch, cdist + topk, autograd": torch_steps},
                       flops=2.0 * rows_count * codes_count * features)
        for result in row.results:
            if "seconds" in result:
                result["seconds"] /= repeats
        yield row

    def row(self, operation, size, kind, contenders, flops=0.0, moved=0.0):
        seconds, failures = self.timer.medians(contenders)
        results = []
        for name in contenders:
            result = {"contender": name}
            if name in failures:
                result["notMeasured"] = failures[name]
            else:
                result["seconds"] = seconds[name]
            if moved:
                result["bytes"] = 2 * moved if name == COPY else moved
            results.append(result)
        return Row(operation, *size, kind, flops, results)


# ---- peers ---------------------------------------------------------------------------------------------------------


def chunk_rows(codes_count):
    """Rows whose scores take 1 GiB: a peer that writes the N x K matrix does so a piece at a time."""
    return max(1, GIBIBYTE // (4 * codes_count))


def in_chunks(rows, codes_count, codes_of):
    step = chunk_rows(codes_count)
    if rows.shape[0] <= step:
        return codes_of(rows)
    return torch.cat([codes_of(rows[begin:begin + step]) for begin in range(0, rows.shape[0], step)])


def in_turn(inputs, i):
    return inputs[i % len(inputs)]


# Peers that give codes; a peer for 16 bits has its rows in 16 bits beforehand, as in mixed precision.


def torch_peers(inputs, codebook, device):
    codes_count = codebook.shape[0]
    halves = clock.copies(inputs[0].half(), device)
    half_codebook = codebook.half()
    minus_h = -0.5 * (codebook ** 2).sum(1)
    half_minus_h = minus_h.half()

    def cdist(rows, codes):
        return in_chunks(rows, codes_count, lambda part: torch.cdist(part, codes).topk(1, dim=1, largest=False).indices)

    def expand(rows, transposed, start):
        return in_chunks(rows, codes_count, lambda part: torch.addmm(start, part, transposed).argmax(1))

    def with_tf32(allowed, work):
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = allowed
        try:
            return work()
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before

    transposed, half_transposed = codebook.T.contiguous(), half_codebook.T.contiguous()
    return {
        "torch, cdist + topk, fp32": lambda i: with_tf32(False, lambda: cdist(in_turn(inputs, i), codebook)),
        "torch, cdist + topk, fp16": lambda i: cdist(in_turn(halves, i), half_codebook),
        "torch, matmul + argmax, fp32": lambda i: with_tf32(False, lambda: expand(in_turn(inputs, i), transposed, minus_h)),
        "torch, matmul + argmax, TF32": lambda i: with_tf32(True, lambda: expand(in_turn(inputs, i), transposed, minus_h)),
        "torch, matmul + argmax, fp16": lambda i: expand(in_turn(halves, i), half_transposed, half_minus_h),
    }


def triton_peers(inputs, codebook, device):
    import triton_nearest

    halves = clock.copies(inputs[0].half(), device)
    half_codebook = codebook.half()
    codes = torch.empty(inputs[0].shape[0], dtype=torch.int32, device=device)
    peers = {}
    half_squares = triton_nearest.half_squared_lengths(codebook)
    for label, rows, codes_in, precision in (("fp32", inputs, codebook, "ieee"), ("TF32", inputs, codebook, "tf32"),
                                             ("fp16", halves, half_codebook, "ieee")):
        peers[f"Triton, fused, {label}"] = (
            lambda i, rows=rows, codes_in=codes_in, precision=precision:
            triton_nearest.nearest(in_turn(rows, i), codes_in, half_squares, precision, codes))
    return peers


def torch_training_step(rows, grad, codebook):
    """The training step as the reference does it: distances, top-k, straight-through, autograd, AdamW."""
    weight = torch.nn.Parameter(codebook.clone())
    fused = {"fused": True} if weight.is_cuda else {}
    optimizer = torch.optim.AdamW([weight], lr=1e-3, **fused)

    def step():
        z = rows.detach().requires_grad_()
        codes = torch.cdist(z, weight).topk(1, dim=1, largest=False).indices[:, 0]
        chosen = weight[codes]
        loss = 0.05 * ((z - chosen.detach()) ** 2).mean() + 0.95 * ((z.detach() - chosen) ** 2).mean()
        output = z + (chosen - z).detach()
        torch.bincount(codes, minlength=weight.shape[0])
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward([output, loss], [grad, torch.ones_like(loss)])
        optimizer.step()

    return step
