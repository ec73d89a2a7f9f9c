"""Time of work on a device by CUDA events, or by the host's clock in a dry run."""

import statistics
import time

import torch

L2_BYTES = 128 << 20  # twice the largest L2 of today: inputs are rotated through as much


class Clock:
    def __init__(self, device, rounds, sample_seconds):
        self.device = device
        self.rounds = rounds
        self.sample_seconds = sample_seconds

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
        calls = {}
        failures = {}
        for name, work in contenders.items():
            try:
                work(0)
                seconds = self.sample(work, 1)
                calls[name] = max(1, min(1000, int(self.sample_seconds / max(seconds, 1e-7))))
            except Exception as failure:  # a peer that cannot do a shape is reported, not fatal
                failures[name] = str(failure).splitlines()[0][:200]
        samples = {name: [] for name in calls}
        for _ in range(self.rounds):
            for name in calls:
                samples[name].append(self.sample(contenders[name], calls[name]))
        return {name: statistics.median(each) for name, each in samples.items()}, failures


def copies(tensor, device):
    """The tensor and as many copies as L2 cannot hold together."""
    bytes_of_one = tensor.numel() * tensor.element_size()
    count = 2 if device == "cpu" else max(2, min(64, -(-L2_BYTES // bytes_of_one)))
    return [tensor] + [tensor.clone() for _ in range(count - 1)]
