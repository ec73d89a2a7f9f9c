package io.github.vq4j;

/** Element type of a {@link Tensor}. */
public enum DataType {
    /** IEEE single precision: inputs, outputs, codebooks. */
    FLOAT32(4),
    /** IEEE half precision, binary16: inputs of layers, which compute in FLOAT32. */
    FLOAT16(2),
    /** The upper half of a FLOAT32: inputs of layers, which compute in FLOAT32. */
    BFLOAT16(2),
    /** 32-bit integers: codes. */
    INT32(4);

    private final int bytes;

    DataType(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    boolean isHalf() {
        return bytes == 2;
    }
}
