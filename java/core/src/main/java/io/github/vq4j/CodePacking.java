package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import java.util.Arrays;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.IntPointer;

/**
 * Codes as a stream of bits, and back: each code takes b = max(1, ceil(log2 K)) bits, lowest first, in the order of the
 * codes in memory; bit j of the stream is bit j % 8, of value 2^(j % 8), of byte j / 8. Bits that are left in the last
 * byte are zero. K is the number of codes of one codebook: where every stage or group of a layer has its own, what its
 * codes begin at is taken off.
 *
 * <p>A code that is out of range, -1 of a masked row too, cannot be packed. Immutable and thread-safe.
 */
public final class CodePacking {
    private static final long MOST_CODES = 1L << 31;

    private final long numCodes;
    private final int stages;
    private final int dim;

    private CodePacking(long numCodes, int stages, int dim) {
        if (numCodes < 1 || numCodes > MOST_CODES) {
            throw new IllegalArgumentException("need 1 <= numCodes <= " + MOST_CODES + ", got " + numCodes);
        }
        this.numCodes = numCodes;
        this.stages = stages;
        this.dim = dim;
    }

    /**
     * Packing of codes below numCodes. {@link Quantizer#packing} gives that of a layer's codes.
     *
     * @param numCodes 1 to 2^31
     */
    public static CodePacking of(long numCodes) {
        return new CodePacking(numCodes, 1, 0);
    }

    /** Packing of codes of several codebooks, side by side on an axis: those of stage s begin at s * numCodes. */
    static CodePacking ofStages(int numCodes, int stages, int dim) {
        return new CodePacking(numCodes, stages, dim);
    }

    /** b, the bits of a code. */
    public int bitsOfCode() {
        return Math.max(1, Long.SIZE - Long.numberOfLeadingZeros(numCodes - 1));
    }

    /** How many bytes as many codes take. */
    public long bytes(long count) {
        return unitsOf(Byte.SIZE, count);
    }

    /** How many INT32 words as many codes take. */
    public long words(long count) {
        return unitsOf(Integer.SIZE, count);
    }

    /**
     * Packs codes.
     *
     * @param codes INT32, of any shape; of the shape that the layer gives where it has several codebooks, or of the first
     *     stages alone
     * @return {@link #bytes} of them
     * @throws IllegalArgumentException if a code is out of range; the message names the first
     */
    public byte[] pack(Tensor codes) {
        checkCodes(codes);
        Kernels kernels = kernelsFor(codes);
        long count = bytes(codes.size());
        if (count > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("need codes that fit in one array, got " + codes + " of " + count
                    + " bytes; pack into a tensor of words");
        }
        byte[] packed = new byte[(int) count];
        if (count > 0) {
            try (Tensor words = Tensor.allocate(kernels, DataType.INT32, words(codes.size()));
                    Memory<IntPointer> host = Memory.ints(Kernels.cpu(), words.size())) {
                pack(codes, words);
                kernels.copy(host.pointer(), words.ints(), words.size() * Integer.BYTES);
                new BytePointer(host.pointer()).get(packed);
            }
        }
        return packed;
    }

    /**
     * Unpacks codes.
     *
     * @param packed of {@link #pack(Tensor)}, no more and no fewer bytes than the codes take
     * @param shape of the codes
     * @return INT32, on the host
     * @throws IllegalArgumentException if there are other than {@link #bytes} of the shape's size, or a code is out of
     *     range
     */
    public Tensor unpack(byte[] packed, long... shape) {
        long count = Tensor.sizeOf(shape);
        if (packed.length != bytes(count)) {
            throw new IllegalArgumentException("need " + bytes(count) + " bytes for codes of shape "
                    + Arrays.toString(shape) + " at " + bitsOfCode() + " bits each, got " + packed.length);
        }
        Tensor codes = Tensor.allocate(DataType.INT32, shape);
        if (packed.length > 0) {
            try (Tensor words = Tensor.allocate(DataType.INT32, words(count))) {
                new BytePointer(words.ints()).put(packed);
                unpack(words, codes);
            } catch (RuntimeException | Error failure) {
                codes.close();
                throw failure;
            }
        }
        return codes;
    }

    /**
     * Packs codes into the words of a tensor, little-endian: bit j of the stream is bit j % 32 of word j / 32.
     *
     * @param codes INT32, at least one
     * @param words INT32, {@link #words} of the codes' size, not overlapping them; undefined after an error
     */
    public void pack(Tensor codes, Tensor words) {
        checkCodes(codes);
        Kernels kernels = kernelsFor(codes, words);
        words.checkWritable("words", DataType.INT32, kernels);
        try (Tensor from = within(kernels, codes);
                Tensor to = within(kernels, words)) {
            kernels.tensors.packCodes(from.ints(), rowsOf(codes), numCodes, to.ints(), to.size());
            deliver(kernels, to, words);
        }
    }

    /**
     * Unpacks codes from the words of a tensor.
     *
     * @param words INT32, at least {@link #words} of the codes' size
     * @param codes INT32, at least one, not overlapping the words; undefined after an error
     */
    public void unpack(Tensor words, Tensor codes) {
        checkCodes(codes);
        Kernels kernels = kernelsFor(codes, words);
        codes.checkWritable("codes", DataType.INT32, kernels);
        try (Tensor from = within(kernels, words);
                Tensor to = within(kernels, codes)) {
            kernels.tensors.unpackCodes(from.ints(), from.size(), rowsOf(codes), numCodes, to.ints());
            deliver(kernels, to, codes);
        }
    }

    @Override
    public String toString() {
        return bitsOfCode() + " bits a code, of " + numCodes
                + (stages > 1 ? " in each of " + stages + " codebooks" : "");
    }

    /** Units of some bits that codes fill, without the product of count and bits, which may overflow. */
    private long unitsOf(int unit, long count) {
        int bits = bitsOfCode();
        return count / unit * bits + (count % unit * bits + unit - 1) / unit;
    }

    private Rows rowsOf(Tensor codes) {
        return stages == 1 ? new Rows(codes.size(), 1, 1) : Rows.of(codes.shape(), axisOf(codes));
    }

    private int axisOf(Tensor codes) {
        return dim < 0 ? codes.rank() + dim : dim;
    }

    private void checkCodes(Tensor codes) {
        if (stages == 1) {
            return;
        }
        int axis = axisOf(codes);
        if (axis < 0 || axis >= codes.rank() || codes.size(axis) > stages) {
            throw new IllegalArgumentException(
                    "need codes of at most " + stages + " codebooks on axis " + dim + ", got " + codes);
        }
    }

    private static Kernels kernelsFor(Tensor... tensors) {
        Kernels kernels = Arrays.stream(tensors)
                .filter(tensor -> tensor.device() == Device.CUDA)
                .findFirst()
                .map(Tensor::kernels)
                .orElseGet(() -> Backend.cpu().kernels());
        for (Tensor tensor : tensors) {
            tensor.checkUsable("codes and words", DataType.INT32, kernels);
        }
        return kernels;
    }

    /** The tensor where kernels reach it: a view, or a copy. */
    private static Tensor within(Kernels kernels, Tensor tensor) {
        if (tensor.isReachedBy(kernels)) {
            return tensor.reshape(tensor.shape());
        }
        Tensor copy = Tensor.allocate(kernels, DataType.INT32, tensor.shape());
        tensor.copyTo(kernels, copy.ints());
        return copy;
    }

    private static void deliver(Kernels kernels, Tensor result, Tensor to) {
        if (!to.isReachedBy(kernels)) {
            to.copyFrom(kernels, result.ints());
        }
    }
}
