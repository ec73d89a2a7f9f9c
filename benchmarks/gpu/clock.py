"""Time of work on a device by CUDA events, or by the host's clock in a dry run."""

import contextlib
import signal
import statistics
import time

import torch

L2_BYTES = 128 << 20  # where torch does not tell: as much as any GPU of today has


class Clock:
    def __init__(self, device, rounds, sample_seconds, first_call_seconds):
        """first_call_seconds: a function that gives the most that a contender's first call, which may compile, takes."""
        self.device = device
        self.rounds = rounds
        self.sample_seconds = sample_seconds
        self.first_call_seconds = first_call_seconds

    def sample(self, work, calls):
        """Seconds of a call, from `calls` of them one after the other."""
        if self.device == "cpu":
            start = time.perf_counter()
            for i in range(calls):
                work(i)
            return (time.perf_counter() - start) / calls
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        begin.record()
        for i in range(calls):
            work(i)
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / calls

    def medians(self, contenders):
        """Median seconds of a call of every contender {name: work(i)}, which take turns; and what failed, by name."""
        failures = {}

        def attempt(name, work):
            """What work gives; None where it fails: a peer that cannot do a shape is reported, not fatal."""
            try:
                return work()
            except Exception as failure:
                failures[name] = in_a_line(failure)
            with contextlib.suppress(RuntimeError):  # of a device that does nothing any more
                torch.cuda.empty_cache()
            return None

        def first_sample(work):
            with at_most(self.first_call_seconds()):
                work(0)
            return self.sample(work, 1)

        firsts = {name: attempt(name, lambda: first_sample(work)) for name, work in contenders.items()}
        samples = {name: [] for name in contenders}
        for _ in range(self.rounds):
            for name, work in contenders.items():
                if name not in failures:
                    calls = max(1, min(1000, int(self.sample_seconds / max(firsts[name], 1e-7))))
                    samples[name].append(attempt(name, lambda: self.sample(work, calls)))
        return {name: statistics.median(each) for name, each in samples.items() if name not in failures}, failures


@contextlib.contextmanager
def at_most(seconds):
    """TimeoutError in what takes longer, when it comes back to Python."""

    def end(_signal, _frame):
        raise TimeoutError(f"not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def in_a_line(failure):
    lines = str(failure).splitlines()
    return f"{type(failure).__name__}: {lines[0] if lines else ''}"[:200]


def copies(tensor, device):
    """The tensor and copies, more together than twice the L2: taken in turn, none is in it from the time before."""
    bytes_of_one = tensor.numel() * tensor.element_size()
    count = 2 if device == "cpu" else max(2, 2 * l2_bytes() // bytes_of_one + 1)
    return [tensor] + [tensor.clone() for _ in range(count - 1)]


def l2_bytes():
    return getattr(torch.cuda.get_device_properties(torch.cuda.current_device()), "L2_cache_size", 0) or L2_BYTES
