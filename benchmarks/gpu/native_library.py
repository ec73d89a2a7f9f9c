"""The C API of vq4j by ctypes. The signatures are read from vq4j/operations.h, so that there is nothing to keep in step."""

import ctypes
import pathlib
import re

HEADERS = pathlib.Path(__file__).resolve().parents[2] / "native" / "include" / "vq4j"
C_TYPES = {
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "void": None,
}
OPERATION = re.compile(r"^VQ4J_API ([\w ]+\*?) ?VQ4J_OPERATION\((\w+)\)\(([^;]*)\);", re.MULTILINE | re.DOTALL)


ASSIGNMENTS = ("simt", "mma", "wgmma")


class NativeError(RuntimeError):
    """A failed call, with the library's own message."""


def c_type(declaration):
    words = declaration.replace("const ", "").split()
    return ctypes.c_void_p if "*" in declaration else C_TYPES[words[0]]


class Library:
    """The operations of one implementation as methods: library.assign(rows, outer, ...). Tensors are passed by address."""

    def __init__(self, path, prefix, stream=None):
        """stream: a function that gives the stream's address; None for an implementation without streams."""
        self.library = ctypes.CDLL(str(path))
        self.stream = stream
        self.last_error = getattr(self.library, prefix + "last_error")
        self.last_error.restype = ctypes.c_char_p
        for result, name, parameters in OPERATION.findall((HEADERS / "operations.h").read_text()):
            if name != "last_error":
                setattr(self, name, self._operation(prefix + name, result, parameters))

    def assign_by(self, kernel):
        """Chooses how codes are found, on a device: "automatic", "simt", "mma" or "wgmma"."""
        if self.library.vq4j_cuda_set_assignment(kernel.encode(), ctypes.c_int64(0)) != 0:
            raise NativeError(self.last_error().decode())

    def assign_as_usual(self):
        self.assign_by("automatic")

    def assignment(self, rows_count, codes_count, features):
        """How they are found, with what was chosen, for a shape; what a device lacks is not used."""
        function = self.library.vq4j_cuda_assignment
        function.restype = ctypes.c_char_p
        return function(*(ctypes.c_int64(each) for each in (rows_count, codes_count, features))).decode()

    def assignments(self, features):
        """All ways to find codes of so many features on this device."""
        found = []
        for kernel in ASSIGNMENTS:
            self.assign_by(kernel)
            if self.assignment(1, 1, features) == kernel:
                found.append(kernel)
        self.assign_as_usual()
        return found

    def _operation(self, symbol, result, parameters):
        function = getattr(self.library, symbol)
        types = [c_type(each) for each in parameters.replace("VQ4J_STREAM", "").split(",") if each.strip()]
        takes_stream = "VQ4J_STREAM" in parameters and self.stream is not None
        function.argtypes = ([ctypes.c_void_p] if takes_stream else []) + types
        function.restype = ctypes.c_void_p if "*" in result else C_TYPES[result.strip()]
        is_status = function.restype is ctypes.c_int32

        def call(*arguments):
            values = [each.data_ptr() if hasattr(each, "data_ptr") else each for each in arguments]
            status = function(*([self.stream()] if takes_stream else []), *values)
            if is_status and status != 0:
                raise NativeError(f"{symbol}: {self.last_error().decode()}")
            return status

        return call


class Batches:
    """Calls of which each is one batch. The host asks for what a batch has found when the next one has been submitted."""

    def __init__(self, library):
        self.library = library
        self.submitted = 0

    def run(self, work):
        number = ctypes.c_int64()
        self.library.begin_batch(ctypes.byref(number))
        try:
            work()
        except BaseException:
            self.library.drop_batch(number.value)  # left open, it would take in all that is called later
            raise
        self.library.submit_batch(number.value)
        before, self.submitted = self.submitted, number.value
        self._finish(before)

    def finish_last(self):
        before, self.submitted = self.submitted, 0
        self._finish(before)

    def _finish(self, number):
        if number != 0:
            self.library.finish_batch(number)


def cpu(build):
    return Library(build / "libvq4j.so", "vq4j_cpu_")


def cuda(build):
    import torch

    return Library(build / "libvq4j_cuda.so", "vq4j_cuda_", lambda: torch.cuda.current_stream().cuda_stream)


def host_run(build):
    """The CUDA sources on the shim of the execution model: a stand-in for a device in a dry run."""
    return Library(build / "host-run" / "libvq4j_cuda.so", "vq4j_cuda_", lambda: None)
