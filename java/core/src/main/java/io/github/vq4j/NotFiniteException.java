package io.github.vq4j;

/** A NaN or an infinity in an input. Nothing has been changed when it is thrown. */
public final class NotFiniteException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    private final String tensor;
    private final long row;

    /**
     * Names the place.
     *
     * @param tensor name of the tensor: "z", "gradient", "codebook"
     * @param row its first bad row: of the N rows of D features, or of the K codes
     */
    public NotFiniteException(String tensor, long row) {
        super(tensor + " has a NaN or an infinity, first in row " + row + "; need finite values");
        this.tensor = tensor;
        this.row = row;
    }

    /** The name of the tensor. */
    public String tensor() {
        return tensor;
    }

    /**
     * The first bad row. A {@link GroupVectorQuant} whose groups have codebooks of their own reads one group after the other:
     * there it is the first of the first group that has a bad one, and a row before it may be bad in a later group.
     */
    public long row() {
        return row;
    }
}
