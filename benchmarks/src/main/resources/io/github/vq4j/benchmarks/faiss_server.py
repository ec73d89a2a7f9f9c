"""FAISS for the comparison: reads a JSON command a line, answers each with a line of JSON. Data comes as files of fp32.

Commands: assign, kmeans, encode and decode prepare a call; run makes it once; seconds times it; growth tells by how many
bytes it raises the resident memory; result writes what the last call gave to a file, as int32 or the bits of fp32.
"""
import ctypes
import json
import sys
import time

import faiss
import numpy


def matrix(path, rows, columns):
    return numpy.fromfile(path, dtype=numpy.float32).reshape(rows, columns)


def assign(rows, n, codebook, k, d):
    index = faiss.IndexFlatL2(d)
    index.add(matrix(codebook, k, d))
    z = matrix(rows, n, d)
    return lambda: index.search(z, 1)[1].reshape(-1)


def kmeans(rows, n, d, k, iterations, seed):
    z = matrix(rows, n, d)

    def fit():
        # All rows, as the others take them: FAISS alone would draw 256 for a code.
        clustering = faiss.Kmeans(d, k, niter=iterations, seed=seed, min_points_per_centroid=1, max_points_per_centroid=n)
        clustering.train(z)
        return clustering.centroids.reshape(-1)

    return fit


def product_quantizer(codebooks, groups, k, d):
    quantizer = faiss.ProductQuantizer(d, groups, (k - 1).bit_length())
    faiss.copy_array_to_vector(numpy.fromfile(codebooks, dtype=numpy.float32), quantizer.centroids)
    return quantizer


def encode(rows, n, d, codebooks, groups, k):
    quantizer = product_quantizer(codebooks, groups, k, d)
    z = matrix(rows, n, d)
    return lambda: quantizer.compute_codes(z).reshape(-1)


def decode(rows, n, d, codebooks, groups, k):
    quantizer = product_quantizer(codebooks, groups, k, d)
    codes = quantizer.compute_codes(matrix(rows, n, d))
    return lambda: quantizer.decode(codes).reshape(-1)


def resident(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name + ":")) << 10


class Server:
    prepares = {"assign": assign, "kmeans": kmeans, "encode": encode, "decode": decode}

    def answer(self, do, **values):
        if do == "version":
            faiss.omp_set_num_threads(values["threads"])
            with open("/proc/self/maps") as maps:
                libraries = {line.split()[-1] for line in maps}
            # What it was compiled for: distributions build it without AVX2, which only its own loops notice.
            version = f"{faiss.__version__} ({faiss.get_compile_options().strip()})"
            return {"version": version, "libraries": sorted(x for x in libraries if "blas" in x or "mkl" in x)}
        if do in self.prepares:
            self.call = self.prepares[do](**values)
            self.last = None
        elif do == "run":
            self.last = self.call()
        elif do == "seconds":
            begin = time.perf_counter()
            calls = 0
            while True:
                self.last = self.call()
                calls += 1
                elapsed = time.perf_counter() - begin
                if elapsed >= values["atLeast"]:
                    return {"seconds": elapsed / calls}
        elif do == "growth":
            self.last = None
            ctypes.CDLL(None).malloc_trim(0)
            with open("/proc/self/clear_refs", "w") as clear:
                clear.write("5")
            before = resident("VmRSS")
            self.last = self.call()
            return {"bytes": max(0, resident("VmHWM") - before)}
        elif do == "result":
            last = self.last.astype(numpy.int32) if self.last.dtype != numpy.float32 else self.last
            last[: values["most"]].tofile(values["file"])
        return {}


server = Server()
for line in sys.stdin:
    print(json.dumps(server.answer(**json.loads(line))), flush=True)
