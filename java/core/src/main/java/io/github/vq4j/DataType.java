package io.github.vq4j;

/** Element type of a {@link Tensor}. */
public enum DataType {
    /** IEEE single precision: inputs, outputs, codebooks. */
    FLOAT32,
    /** 32-bit integers: codes. */
    INT32;

    /** Bytes of one element. */
    public int bytes() {
        return 4;
    }
}
