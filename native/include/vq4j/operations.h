/*
 * The operations of vq4j, declared once for both implementations: cpu.h and cuda.h include this file with
 * VQ4J_OPERATION (the prefix of the names) and VQ4J_STREAM (the stream parameter, empty on the CPU) defined.
 * It has no include guard for that reason.
 *
 * Rows. A tensor with its feature axis anywhere is read where it lies, described by three sizes:
 * `outer` (product of the axes before the feature axis), `features` (D) and `inner` (product of the axes after it).
 * Element d of row n = o * inner + i stands at [(o * features + d) * inner + i]. A row-major N x D matrix has outer = N,
 * inner = 1; a B x D x H x W image has outer = B, inner = H * W. The number of rows is N = outer * inner.
 * Where `samples` appears, rows n * N / samples ... belong to one sample (an item of the leading axis); it divides N.
 *
 * Codebooks are row-major K x D. Floats are IEEE fp32, doubles fp64, codes int32 in [0, K). All sizes are at least 1 and
 * their products must fit in 63 bits. Memory belongs to the implementation (host for the CPU, device for CUDA), aligned to its
 * element; inputs and outputs must not overlap unless said otherwise.
 *
 * For equal bits in, every function gives equal bits out, on both implementations, at any number of threads.
 * Sums run over fixed chunks of 256 rows, ascending inside a chunk, the chunks combined in their order.
 *
 * Return values are those of status.h. After an error the outputs are undefined; inputs that a function updates in place
 * (parameters, optimiser state, running averages) are unchanged.
 */

/** The message of the calling thread's last failed call; an empty string when none failed. */
VQ4J_API const char* VQ4J_OPERATION(last_error)(void);

/** Memory aligned to 64 bytes or more, contents undefined; NULL when it is not to be had. For use in the order of the stream. */
VQ4J_API void* VQ4J_OPERATION(allocate)(VQ4J_STREAM int64_t bytes);

/** Gives memory of allocate back, in the order of the stream that it was allocated for. NULL is allowed. */
VQ4J_API void VQ4J_OPERATION(release)(VQ4J_STREAM void* memory);

/**
 * Copies bytes between any two places, host or device. Complete when it returns, but between places of a device it is an
 * operation like any other, in the order of the stream.
 */
VQ4J_API int32_t VQ4J_OPERATION(copy)(VQ4J_STREAM void* to, const void* from, int64_t bytes);

/** Sets bytes to zero. */
VQ4J_API int32_t VQ4J_OPERATION(clear)(VQ4J_STREAM void* memory, int64_t bytes);

/* ---- batches ------------------------------------------------------------------------------------------------- */

/*
 * Operations that run together. What a thread calls on a stream while a batch is open there takes its place in the batch and
 * runs when the batch is submitted: on CUDA as one graph, without the host waiting for any of it. Arguments are checked when
 * an operation is called; what it finds wrong in data (VQ4J_NOT_FINITE, codes out of range) is the result of finish_batch,
 * that of the first operation which found something. Until then no memory that the batch names may be written by the host;
 * memory given back while a batch is open is kept until it is submitted. An operation that needs a result on the host
 * (a copy to or from the host) makes the batch run and waits. On the CPU operations run at once, in a batch as outside of it.
 */

/** Opens a batch of the calling thread on the stream; it must have no other. @param batch 1, the number of the batch */
VQ4J_API int32_t VQ4J_OPERATION(begin_batch)(VQ4J_STREAM int64_t* batch);

/**
 * Copies bytes to the host: what is there at this place of the batch, delivered by finish_batch; outside of a batch as copy.
 * @param to host memory, which must stay until then
 */
VQ4J_API int32_t VQ4J_OPERATION(fetch)(VQ4J_STREAM void* to, const void* from, int64_t bytes);

/**
 * Copies bytes of the host to the implementation's memory at this place of the batch, as they are when this is called, without
 * waiting; outside of a batch as copy.
 * @param from host memory, which may be written as soon as this returns
 */
VQ4J_API int32_t VQ4J_OPERATION(send)(VQ4J_STREAM void* to, const void* from, int64_t bytes);

/**
 * Copies within the implementation's memory, unless what the open batch has checked before is bad: then nothing is copied, and
 * the batch fails. How state follows from what a batch computes, so that a batch that fails has not changed it. Outside of a
 * batch, and on the CPU, where bad data is an error before this is called, as copy.
 */
VQ4J_API int32_t VQ4J_OPERATION(commit)(VQ4J_STREAM void* to, const void* from, int64_t bytes);

/** Runs the open batch of this number. Does not wait. After an error the batch is gone. */
VQ4J_API int32_t VQ4J_OPERATION(submit_batch)(int64_t batch);

/** Waits for a submitted batch, on any thread, once: delivers what it fetches, or returns what was wrong. */
VQ4J_API int32_t VQ4J_OPERATION(finish_batch)(int64_t batch);

/** Closes the open batch of this number without running it, or what has not yet run of it. */
VQ4J_API int32_t VQ4J_OPERATION(drop_batch)(int64_t batch);

/* ---- assignment ---------------------------------------------------------------------------------------------- */

/** Size in bytes of a packed codebook of K codes and D features; -1 when it does not fit in 63 bits. */
VQ4J_API int64_t VQ4J_OPERATION(packed_codebook_bytes)(int64_t codes_count, int64_t features);

/**
 * Prepares a codebook for assign: its centre m (the mean code, summed in fp64, rounded to fp32), the centred codes
 * c_k - m in the layout of the kernels, and h_k = |c_k - m|^2 / 2. The layout depends on the instruction set in use.
 * VQ4J_NOT_FINITE names the first bad code. assign may add to a packed codebook what makes later calls faster, never
 * what changes their results; several threads may assign with one.
 * @param codebook K x D
 * @param packed   packed_codebook_bytes(K, D) bytes, aligned to 64
 */
VQ4J_API int32_t VQ4J_OPERATION(pack_codebook)(VQ4J_STREAM const float* codebook, int64_t codes_count, int64_t features,
    void* packed);

/**
 * The nearest code of every row: the lowest k of the largest canonical score s_nk = (c_k - m).(z_n - m) - h_k, one chain
 * of fused multiply-adds in fp32 in ascending feature order started from -h_k. A score that is NaN never wins.
 * VQ4J_NOT_FINITE names the first bad row.
 * @param rows   N x D
 * @param packed of pack_codebook
 * @param codes  N
 */
VQ4J_API int32_t VQ4J_OPERATION(assign)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner, int64_t features,
    const void* packed, int64_t codes_count, int32_t* codes);

/**
 * Prepares a codebook for assignment by cosine: its codes scaled to length 1 in the layout of pack_codebook, with centre 0
 * and h 0, so that the score of assign and assign_top_k is |z_n| cos(z_n, c_k), whatever the rows' lengths. A zero code
 * has score 0 with every row, and a zero row with every code. VQ4J_NOT_FINITE names the first bad code.
 * @param codebook K x D
 * @param packed   packed_codebook_bytes(K, D) bytes, aligned to 64
 */
VQ4J_API int32_t VQ4J_OPERATION(pack_directions)(VQ4J_STREAM const float* codebook, int64_t codes_count,
    int64_t features, void* packed);

/**
 * The k nearest codes of every row, nearest first: those with the largest scores of assign, of equal scores the lowest
 * codes first; a score that is NaN counts as -infinity. With k = 1 the codes of assign. Meant for k much less than K: the
 * lists of the k best are sorted by insertion. Takes scratch memory of N x k floats on CUDA, of k floats for each of at
 * most 96 rows a thread on the CPU. VQ4J_NOT_FINITE names the first bad row.
 * @param packed of pack_codebook or pack_directions
 * @param k      1 to K
 * @param codes  N x k
 */
VQ4J_API int32_t VQ4J_OPERATION(assign_top_k)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, const void* packed, int64_t codes_count, int64_t k, int32_t* codes);

/** As assign_top_k, of rows in a 16-bit type, as for moments_half. */
VQ4J_API int32_t VQ4J_OPERATION(assign_top_k_half)(VQ4J_STREAM const uint16_t* rows, int32_t type, int64_t outer,
    int64_t inner, int64_t features, const void* packed, int64_t codes_count, int64_t k, int32_t* codes, float* widened);

/**
 * A random code of every row, drawn with probabilities proportional to exp(-|z_n - c_k|^2 / temperature) by the Gumbel-max
 * trick: the lowest k of the largest 2 s_nk / temperature + g_nk in fp64, where s_nk is the score of assign and
 * g_nk = -ln(-ln((w + 1/2) / 2^32)), w word k mod 4 of Philox, key seed, counter (n ceil(K / 4) + floor(k / 4), step). A
 * score that is NaN never wins. VQ4J_NOT_FINITE names the first bad row.
 * @param packed      of pack_codebook
 * @param temperature finite, above 0
 * @param codes       N
 */
VQ4J_API int32_t VQ4J_OPERATION(sample_codes)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, const void* packed, int64_t codes_count, double temperature, uint64_t seed, uint64_t step,
    int32_t* codes);

/** As sample_codes, of rows in a 16-bit type, as for moments_half. */
VQ4J_API int32_t VQ4J_OPERATION(sample_codes_half)(VQ4J_STREAM const uint16_t* rows, int32_t type, int64_t outer,
    int64_t inner, int64_t features, const void* packed, int64_t codes_count, double temperature, uint64_t seed,
    uint64_t step, int32_t* codes, float* widened);

/**
 * Distance of every row to each of its k codes: VQ4J_SQUARED_EUCLIDEAN |z - c|^2, as in commitment_loss,
 * VQ4J_EUCLIDEAN its root, VQ4J_COSINE 1 - cos(z, c), at least 0, where a zero vector has cos = 0 with every other.
 * Distances follow the order of assign_top_k within rounding, since its scores are rounded otherwise.
 * @param codes     N x k, each in [0, K)
 * @param distances N x k
 */
VQ4J_API int32_t VQ4J_OPERATION(code_distances)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, const float* codebook, const int32_t* codes, int64_t k, int32_t kind, float* distances);

/**
 * As assign, of rows in a 16-bit type that are converted, exactly, while they are read: the codes of the same numbers in
 * fp32. VQ4J_NOT_FINITE names the first bad row.
 * @param rows    N x D
 * @param type    VQ4J_FLOAT16 or VQ4J_BFLOAT16
 * @param widened N x D in the layout of rows: the rows as by widen, where they are needed in fp32 later; else NULL
 */
VQ4J_API int32_t VQ4J_OPERATION(assign_half)(VQ4J_STREAM const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, const void* packed, int64_t codes_count, int32_t* codes, float* widened);

/** How often each code occurs. @param codes N  @param counts K. VQ4J_INVALID_ARGUMENT names the first code out of range. */
VQ4J_API int32_t VQ4J_OPERATION(count_codes)(VQ4J_STREAM const int32_t* codes, int64_t rows_count, int64_t codes_count,
    int64_t* counts);

/**
 * The codes' vectors: out_n = codebook[codes_n], bit for bit, in the layout (outer, features, inner).
 * VQ4J_INVALID_ARGUMENT names the first code out of range.
 */
VQ4J_API int32_t VQ4J_OPERATION(lookup)(VQ4J_STREAM const float* codebook, int64_t codes_count, const int32_t* codes,
    int64_t outer, int64_t inner, int64_t features, float* out);

/**
 * The rows behind codes of groups of features: sub-vector s of a row is its code of group s, bit for bit.
 * VQ4J_INVALID_ARGUMENT names the first code out of its group's range.
 * @param codebooks   groups * K x features, one below the other
 * @param codes_count K, of one group
 * @param codes       outer x groups x inner; those of group s begin at s * K
 * @param features    of a group
 * @param out         outer x (groups * features) x inner
 */
VQ4J_API int32_t VQ4J_OPERATION(lookup_groups)(VQ4J_STREAM const float* codebooks, int64_t codes_count,
    const int32_t* codes, int64_t outer, int64_t groups, int64_t inner, int64_t features, float* out);

/**
 * What a code leaves of its row, the input of a residual layer's next stage: out_n = z_n - codebook[codes_n]. out may be
 * rows. VQ4J_INVALID_ARGUMENT names the first code out of range.
 */
VQ4J_API int32_t VQ4J_OPERATION(residual)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner, int64_t features,
    const float* codebook, int64_t codes_count, const int32_t* codes, float* out);

/** sum_n += codebook[codes_n], a residual layer's output stage by stage; the code -1 adds nothing. Otherwise as lookup. */
VQ4J_API int32_t VQ4J_OPERATION(add_lookup)(VQ4J_STREAM const float* codebook, int64_t codes_count, const int32_t* codes,
    int64_t outer, int64_t inner, int64_t features, float* sum);

/* ---- tensors ------------------------------------------------------------------------------------------------- */

/**
 * The features first ... first + count - 1 of every row, as rows of their own: the sub-vectors of a group.
 * @param rows outer x features x inner
 * @param out  outer x count x inner
 */
VQ4J_API int32_t VQ4J_OPERATION(take_features)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, int64_t first, int64_t count, float* out);

/**
 * As take_features, of rows in the 16-bit type VQ4J_FLOAT16 or VQ4J_BFLOAT16.
 * @param widened outer x features x inner, of which the same features are written: what they are in fp32; or NULL
 */
VQ4J_API int32_t VQ4J_OPERATION(take_features_half)(VQ4J_STREAM const uint16_t* rows, int32_t type, int64_t outer,
    int64_t inner, int64_t features, int64_t first, int64_t count, float* out, float* widened);

/** The reverse of take_features: overwrites the features first ... first + count - 1 of out. */
VQ4J_API int32_t VQ4J_OPERATION(put_features)(VQ4J_STREAM const float* part, int64_t outer, int64_t inner,
    int64_t features, int64_t first, int64_t count, float* out);

/**
 * One stage's codes among those of all stages: out[(o * stages + stage) * inner + i] = codes[o * inner + i] + offset;
 * codes below 0 stay as they are.
 */
VQ4J_API int32_t VQ4J_OPERATION(put_codes)(VQ4J_STREAM const int32_t* codes, int64_t outer, int64_t inner,
    int64_t stages, int64_t stage, int32_t offset, int32_t* out);

/**
 * The reverse of put_codes: out[o * inner + i] = codes[(o * stages + stage) * inner + i] - offset; the code -1 stays.
 * @param codes_count of the stage: VQ4J_INVALID_ARGUMENT names the first code of the stage that is neither -1 nor in
 *     [offset, offset + codes_count). 0: all are taken
 */
VQ4J_API int32_t VQ4J_OPERATION(take_codes)(VQ4J_STREAM const int32_t* codes, int64_t outer, int64_t inner,
    int64_t stages, int64_t stage, int32_t offset, int64_t codes_count, int32_t* out);

/**
 * The rows numbered in order, as a row-major matrix: what a mask leaves.
 * @param order count row numbers in [0, outer * inner); VQ4J_INVALID_ARGUMENT names the first that is not
 * @param out   count x features
 */
VQ4J_API int32_t VQ4J_OPERATION(take_rows)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner, int64_t features,
    const int64_t* order, int64_t count, float* out);

/** As take_rows, of rows in the 16-bit type VQ4J_FLOAT16 or VQ4J_BFLOAT16. */
VQ4J_API int32_t VQ4J_OPERATION(take_rows_half)(VQ4J_STREAM const uint16_t* rows, int32_t type, int64_t outer,
    int64_t inner, int64_t features, const int64_t* order, int64_t count, float* out);

/** The reverse of take_rows: overwrites the rows of out that order numbers, each at most once. */
VQ4J_API int32_t VQ4J_OPERATION(put_rows)(VQ4J_STREAM const float* part, const int64_t* order, int64_t count,
    int64_t outer, int64_t inner, int64_t features, float* out);

/**
 * Codes as a stream of bits, in memory order: code i takes the bits i * b ... i * b + b - 1, lowest first, where
 * b = max(1, ceil(log2(codes_count))); bit j of the stream is bit j % 32 of word j / 32, and what is left of the last
 * word is zero. Codes are outer x stages x inner; those of stage s begin at s * codes_count, which is not stored.
 * VQ4J_INVALID_ARGUMENT names the first code out of its stage's range, a code of -1 too.
 * @param codes_count of one stage; stages * codes_count <= 2^31
 * @param words       ceil(outer * stages * inner * b / 32) are written
 * @param words_count how many words there is room for
 */
VQ4J_API int32_t VQ4J_OPERATION(pack_codes)(VQ4J_STREAM const int32_t* codes, int64_t outer, int64_t stages,
    int64_t inner, int64_t codes_count, int32_t* words, int64_t words_count);

/** The reverse of pack_codes. VQ4J_INVALID_ARGUMENT names the first code out of range, or words that do not suffice. */
VQ4J_API int32_t VQ4J_OPERATION(unpack_codes)(VQ4J_STREAM const int32_t* words, int64_t words_count, int64_t outer,
    int64_t stages, int64_t inner, int64_t codes_count, int32_t* codes);

/**
 * Numbers of the rows whose value is above a bound, ascending: the rows that a mask leaves, that a stage quantizes.
 * @param values N
 * @param order  N, of which the first *count are written
 * @param count  1
 */
VQ4J_API int32_t VQ4J_OPERATION(rows_above)(VQ4J_STREAM const int32_t* values, int64_t rows_count, int32_t bound,
    int64_t* order, int64_t* count);

/** As take_rows, of codes: several of each row, or of one alone. */
VQ4J_API int32_t VQ4J_OPERATION(take_codes_of_rows)(VQ4J_STREAM const int32_t* codes, int64_t outer, int64_t inner,
    int64_t codes_of_row, const int64_t* order, int64_t count, int32_t* out);

/** As put_rows, of codes: several of each row, or of one alone. */
VQ4J_API int32_t VQ4J_OPERATION(put_codes_of_rows)(VQ4J_STREAM const int32_t* part, const int64_t* order, int64_t count,
    int64_t outer, int64_t inner, int64_t codes_of_row, int32_t* out);

/** Sets all codes to one. */
VQ4J_API int32_t VQ4J_OPERATION(fill_codes)(VQ4J_STREAM int32_t code, int64_t count, int32_t* out);

/** Fills with standard normal numbers: number i is drawn by Philox4x32-10 at counter (i, purpose), key seed. */
VQ4J_API int32_t VQ4J_OPERATION(fill_normal)(VQ4J_STREAM uint64_t seed, uint64_t purpose, int64_t count, float* out);

/** out = a x + b y, element by element: fma(a, x, b * y). out may be x or y. */
VQ4J_API int32_t VQ4J_OPERATION(weighted_sum)(VQ4J_STREAM float a, const float* x, float b, const float* y,
    int64_t count, float* out);

/** out_i = values_i, from the 16-bit type VQ4J_FLOAT16 or VQ4J_BFLOAT16; exact. A NaN becomes quiet. */
VQ4J_API int32_t VQ4J_OPERATION(widen)(VQ4J_STREAM const uint16_t* values, int32_t type, int64_t count, float* out);

/** out_i = values_i, in the 16-bit type, to the nearest, ties to even; what is too large becomes an infinity. */
VQ4J_API int32_t VQ4J_OPERATION(narrow)(VQ4J_STREAM const float* values, int64_t count, int32_t type, uint16_t* out);

/* ---- loss and gradients -------------------------------------------------------------------------------------- */

/**
 * What follows an assignment: the squared error of every row to its code, its means, the codes' vectors, and what these
 * leave of the rows. The mean is the value of the commitment loss
 * (1 - beta) mean((z - sg(e))^2) + beta mean((sg(z) - e)^2), the same for every beta.
 * @param codes        N, each in [0, K)
 * @param distances    N, |z_n - e_n|^2
 * @param sample_means samples, mean over the elements of each sample
 * @param mean         1, mean over all N * D elements
 * @param out          N x D in the layout of rows, e_n as of lookup; or NULL
 * @param left         N x D in the layout of rows, z_n - e_n as of residual; or NULL
 */
VQ4J_API int32_t VQ4J_OPERATION(commitment_loss)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, const float* codebook, const int32_t* codes, int64_t samples, float* distances,
    double* sample_means, double* mean, float* out, float* left);

/**
 * Means of squared errors that some of the rows have, over the elements of each sample's rows among them and of all of
 * them; 0 for a sample that has none. With all rows, the means of commitment_loss.
 * @param distances        count x distances_of_row; sub-vectors of a group have one each
 * @param order            count numbers of rows in [0, N), ascending; NULL where count is N
 * @param samples          divides N
 * @param features         elements of a row
 * @param sample_means     samples
 * @param mean             1
 */
VQ4J_API int32_t VQ4J_OPERATION(mean_distances)(VQ4J_STREAM const float* distances, const int64_t* order, int64_t count,
    int64_t distances_of_row, int64_t rows_count, int64_t samples, int64_t features, double* sample_means, double* mean);

/**
 * Gradient of the input: out_n = grad_n + coefficient * (z_n - e_n); straight-through plus commitment, with
 * coefficient = alpha * 2 (1 - beta) / (N D). A null grad counts as zero. out may be grad.
 * VQ4J_NOT_FINITE names the first bad row of grad.
 */
VQ4J_API int32_t VQ4J_OPERATION(input_gradient)(VQ4J_STREAM const float* rows, const float* grad, int64_t outer,
    int64_t inner, int64_t features, const float* codebook, const int32_t* codes, float coefficient, float* out);

/**
 * Gradient of vectors z through their replacement by vectors e, of the task's gradient g with respect to e.
 * VQ4J_ROTATION: e = r R z with the rotation R from u = z/|z| to v = e/|e| in their plane and r = |e|/|z| as constants;
 * with w = (u + v)/|u + v|, out_rows = r (g - 2 w (w.g) + 2 u (v.g)). VQ4J_DIRECTED: e = z + |e - z| d with the direction
 * d = (e - z)/|e - z| as a constant; out_codes = d (d.g), out_rows = g - out_codes.
 * Straight-through (out_rows = g, out_codes = 0) where |z| or |e| is below 1e-6 or |u + v| below 0.01, or |e - z| below
 * 1e-12, or such a square overflows. VQ4J_NOT_FINITE names the first bad row of grad.
 * @param replaced_by e, in the layout of rows
 * @param kind        VQ4J_ROTATION or VQ4J_DIRECTED
 * @param out_rows    may be grad
 * @param out_codes   VQ4J_DIRECTED only, else NULL is allowed and nothing is written
 */
VQ4J_API int32_t VQ4J_OPERATION(estimate_gradient)(VQ4J_STREAM const float* rows, const float* replaced_by,
    const float* grad, int64_t outer, int64_t inner, int64_t features, int32_t kind, float* out_rows, float* out_codes);

/**
 * Gradient of the codebook: out_k = sum over rows with code k of nu * grad_n + coefficient * (e_n - z_n), with
 * coefficient = alpha * 2 beta / (N D). Codes that nobody chose get exactly zero. A null grad counts as zero.
 * Rows are grouped by a stable counting sort; VQ4J_NOT_FINITE names the first bad row of grad.
 * @param out K x D
 */
VQ4J_API int32_t VQ4J_OPERATION(codebook_gradient)(VQ4J_STREAM const float* rows, const float* grad, int64_t outer,
    int64_t inner, int64_t features, const float* codebook, const int32_t* codes, int64_t codes_count, float coefficient,
    float nu, float* out);

/**
 * input_gradient and codebook_gradient of the same rows, codes and task's gradient, which on CUDA are read once where the
 * rows are row-major. Otherwise as these two.
 * @param input_coefficient    alpha * 2 (1 - beta) / (N D)
 * @param codebook_coefficient alpha * 2 beta / (N D)
 * @param out_rows             N x D, not grad
 * @param out_codebook         K x D
 */
VQ4J_API int32_t VQ4J_OPERATION(gradients)(VQ4J_STREAM const float* rows, const float* grad, int64_t outer, int64_t inner,
    int64_t features, const float* codebook, const int32_t* codes, int64_t codes_count, float input_coefficient,
    float codebook_coefficient, float nu, float* out_rows, float* out_codebook);

/**
 * Sum of the rows of each code.
 * @param codes N, each in [0, K)
 * @param sums  K x D; exactly zero for codes that nobody chose
 */
VQ4J_API int32_t VQ4J_OPERATION(scatter)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner, int64_t features,
    const int32_t* codes, int64_t codes_count, float* sums);

/* ---- stages of a residual layer ------------------------------------------------------------------------------ */

/**
 * How many stages each row uses: the same number for all rows of a sample, drawn uniformly from least to most by Philox,
 * key seed, counter (sample, step).
 * @param order  count numbers of rows in [0, N), ascending; NULL where count is N
 * @param stages count
 */
VQ4J_API int32_t VQ4J_OPERATION(draw_stages)(VQ4J_STREAM uint64_t seed, uint64_t step, const int64_t* order,
    int64_t count, int64_t rows_count, int64_t samples, int32_t least, int32_t most, int32_t* stages);

/**
 * One stage of a beam search. Every row has `beams` sums of codes, each with `candidates` codes that may be added next;
 * `kept` of the results go on: the first candidate of the first sum, which is greedy search's own, and of the others those
 * with the least distances, of equal distances those with the lowest path of codes. A distance that is NaN counts as
 * infinite. The others come in that order.
 * @param distances    N x beams x candidates, what each would leave
 * @param codes        N x beams x candidates, distinct for a sum
 * @param paths        N x beams x stages: the codes of each sum, distinct for a row
 * @param stage        in [0, stages), the column that the new codes go to
 * @param kept         at most beams * candidates
 * @param parents      N x kept, which of the N * beams sums each comes from
 * @param new_codes    N x kept
 * @param new_paths    N x kept x stages: the parent's, with the new code
 * @param new_distances N x kept
 */
VQ4J_API int32_t VQ4J_OPERATION(extend_beams)(VQ4J_STREAM const float* distances, const int32_t* codes,
    const int32_t* paths, int64_t rows_count, int64_t beams, int64_t candidates, int64_t stages, int64_t stage,
    int64_t kept, int64_t* parents, int32_t* new_codes, int32_t* new_paths, float* new_distances);

/**
 * The end of a beam search: every row's path with the least distance, of equal ones the lowest path.
 * @param distances N x beams
 * @param paths     N x beams x stages
 * @param best      N x stages
 */
VQ4J_API int32_t VQ4J_OPERATION(choose_beams)(VQ4J_STREAM const float* distances, const int32_t* paths,
    int64_t rows_count, int64_t beams, int64_t stages, int32_t* best);

/* ---- norms --------------------------------------------------------------------------------------------------- */

/**
 * Mean and population variance of contiguous groups of features, per sample: of columns with samples = 1 and
 * groups = D (batch norm, affine statistics), of an instance norm with samples = B and groups = D, of a group norm with
 * groups = 32. One read; shifted sums per chunk of 256 rows, combined by Chan's formula in fp64, 64 chunks first, then
 * what these give.
 * VQ4J_NOT_FINITE names the first bad row, or the first sample ("the variance of z") whose moments overflow.
 * @param groups   divides D
 * @param mean     samples x groups
 * @param variance samples x groups
 */
VQ4J_API int32_t VQ4J_OPERATION(moments)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner, int64_t features,
    int64_t samples, int64_t groups, float* mean, float* variance);

/** As moments, of rows in a 16-bit type as for assign_half. @param widened N x D in the layout of rows: the rows as by widen */
VQ4J_API int32_t VQ4J_OPERATION(moments_half)(VQ4J_STREAM const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, int64_t samples, int64_t groups, float* mean, float* variance, float* widened);

/**
 * A running average after a batch, element by element: out = momentum * batch + (1 - momentum) * running, as weighted_sum;
 * before there is an average the batch's values stand for it, out = batch.
 * @param started 1: 0 before there is an average, else 1
 * @param running count, not read before
 * @param out     count; may be batch or running
 */
VQ4J_API int32_t VQ4J_OPERATION(running_average)(VQ4J_STREAM float momentum, const float* batch, const int32_t* started,
    const float* running, int64_t count, float* out);

/**
 * out = (z - mean) / sqrt(variance + epsilon) * scale + shift, with the moments of moments().
 * @param scale D, or NULL for ones
 * @param shift D, or NULL for zeros
 */
VQ4J_API int32_t VQ4J_OPERATION(normalize)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner, int64_t features,
    int64_t samples, int64_t groups, const float* mean, const float* variance, float epsilon, const float* scale,
    const float* shift, float* out);

/** As normalize, of rows in a 16-bit type, as for moments_half. */
VQ4J_API int32_t VQ4J_OPERATION(normalize_half)(VQ4J_STREAM const uint16_t* rows, int32_t type, int64_t outer,
    int64_t inner, int64_t features, int64_t samples, int64_t groups, const float* mean, const float* variance,
    float epsilon, const float* scale, const float* shift, float* out, float* widened);

/**
 * Gradient through normalize. With batch_statistics the moments are functions of the rows (training), otherwise
 * constants (inference). VQ4J_NOT_FINITE names the first bad row of grad.
 * @param out        N x D, in the layout of rows
 * @param grad_scale D, or NULL
 * @param grad_shift D, or NULL
 */
VQ4J_API int32_t VQ4J_OPERATION(normalize_gradient)(VQ4J_STREAM const float* rows, const float* grad, int64_t outer,
    int64_t inner, int64_t features, int64_t samples, int64_t groups, const float* mean, const float* variance,
    float epsilon, const float* scale, int32_t batch_statistics, float* out, float* grad_scale, float* grad_shift);

/** Rows scaled by their length, kind VQ4J_UNIT or VQ4J_MAX_NORM. VQ4J_NOT_FINITE names the first bad row. out may be rows. */
VQ4J_API int32_t VQ4J_OPERATION(row_norm)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner, int64_t features,
    int32_t kind, float* out);

/** As row_norm, of rows in a 16-bit type, as for moments_half. */
VQ4J_API int32_t VQ4J_OPERATION(row_norm_half)(VQ4J_STREAM const uint16_t* rows, int32_t type, int64_t outer,
    int64_t inner, int64_t features, int32_t kind, float* out, float* widened);

/**
 * Gradient through row_norm by its true Jacobian (the identity inside the ball of VQ4J_MAX_NORM).
 * @param rows the input of row_norm
 * @param out  may be grad
 */
VQ4J_API int32_t VQ4J_OPERATION(row_norm_gradient)(VQ4J_STREAM const float* rows, const float* grad, int64_t outer,
    int64_t inner, int64_t features, int32_t kind, float* out);

/**
 * Each row scaled to the length of the target's row of the same number: out_n = z_n |t_n| / |z_n|, lengths in fp64. Zero
 * rows stay zero. VQ4J_NOT_FINITE names the first bad row, of rows ("z") before one of target.
 * @param target N x D, in the layout of rows
 * @param out    may be rows or target
 */
VQ4J_API int32_t VQ4J_OPERATION(match_norms)(VQ4J_STREAM const float* rows, const float* target, int64_t outer,
    int64_t inner, int64_t features, float* out);

/* ---- pooling ------------------------------------------------------------------------------------------------- */

/**
 * Pooling of vectors by their lengths: over each window of kernel x kernel pixels, `dilation` apart, out = sum w_i x_i, a
 * weight for each vector of C channels. VQ4J_POOL_MAX: w = 1 for the longest vector, the first of equally long ones,
 * which is never padding; VQ4J_POOL_SOFTMAX: w_i = exp(|x_i|) / sum exp(|x_j|), where padding counts as zero vectors.
 * Output size: (H + 2 padding - dilation (kernel - 1) - 1) / stride + 1, the same for W. Sums in fp64, taps in order.
 * VQ4J_NOT_FINITE names the first bad pixel of x, numbered over batch, height and width.
 * @param x       B x C x H x W
 * @param padding at most half of the window, (dilation (kernel - 1) + 1) / 2
 * @param out     B x C x output height x output width
 */
VQ4J_API int32_t VQ4J_OPERATION(norm_pooling)(VQ4J_STREAM const float* x, int64_t batch, int64_t channels,
    int64_t height, int64_t width, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, int32_t kind,
    float* out);

/**
 * Gradient of x through norm_pooling, whose weights are constants for it: sum over the windows of w_i * grad.
 * VQ4J_NOT_FINITE names the first bad pixel of x, or of grad.
 * @param x    the input of norm_pooling
 * @param grad B x C x output height x output width
 * @param out  B x C x H x W
 */
VQ4J_API int32_t VQ4J_OPERATION(norm_pooling_gradient)(VQ4J_STREAM const float* x, const float* grad, int64_t batch,
    int64_t channels, int64_t height, int64_t width, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
    int32_t kind, float* out);

/* ---- affine reparameterisation ------------------------------------------------------------------------------- */

/** Coefficients of the learned affine: scale = 1 + rate * a, shift = rate * o. All of count = groups * D elements. */
VQ4J_API int32_t VQ4J_OPERATION(affine_learned)(VQ4J_STREAM const float* scale_parameter, const float* bias_parameter,
    int64_t count, float rate, float* scale, float* shift);

/**
 * Coefficients of the statistics affine: scale = sqrt(var_z / (var_c + 1e-8)), shift = mean_z - scale * mean_c.
 * @param mean_z, var_z D          @param mean_c, var_c groups x D          @param scale, shift groups x D
 */
VQ4J_API int32_t VQ4J_OPERATION(affine_statistics)(VQ4J_STREAM const float* mean_z, const float* var_z,
    const float* mean_c, const float* var_c, int64_t groups, int64_t features, float* scale, float* shift);

/** Effective codebook: out_k = scale_t * c_k + shift_t, t = k / (K / groups) the group of code k. groups divides K. */
VQ4J_API int32_t VQ4J_OPERATION(affine)(VQ4J_STREAM const float* codebook, int64_t codes_count, int64_t features,
    int64_t groups, const float* scale, const float* shift, float* out);

/**
 * Gradient through the affine: out_k = scale_t * grad_k, grad_scale_t = rate * sum over the group of grad_k * c_k,
 * grad_bias_t = rate * sum over the group of grad_k.
 * @param grad       K x D, of the effective codebook
 * @param out        K x D; may be grad only when grad_scale and grad_bias are NULL
 * @param grad_scale groups x D, or NULL (statistics affine)
 * @param grad_bias  groups x D, or NULL
 */
VQ4J_API int32_t VQ4J_OPERATION(affine_gradient)(VQ4J_STREAM const float* grad, const float* codebook,
    int64_t codes_count, int64_t features, int64_t groups, const float* scale, float rate, float* out, float* grad_scale,
    float* grad_bias);

/* ---- linear maps --------------------------------------------------------------------------------------------- */

/**
 * A linear map of every row: out_no = bias_o + sum over i of weight_oi * z_ni, one chain of fused multiply-adds in fp32 in
 * ascending i, started from the bias. With `transposed` by weight_io instead: the gradient of the rows of such a map from
 * that of its output. VQ4J_NOT_FINITE names the first bad row, of weight ("weight") before one of rows ("z").
 * @param rows       outer x features x inner
 * @param weight     out_features x features; features x out_features where transposed
 * @param bias       out_features, or NULL for zeros
 * @param transposed 0 or 1
 * @param out        outer x out_features x inner
 */
VQ4J_API int32_t VQ4J_OPERATION(linear)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner, int64_t features,
    const float* weight, const float* bias, int64_t out_features, int32_t transposed, float* out);

/** As linear, of rows in a 16-bit type, as for moments_half. */
VQ4J_API int32_t VQ4J_OPERATION(linear_half)(VQ4J_STREAM const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, const float* weight, const float* bias, int64_t out_features, int32_t transposed, float* out,
    float* widened);

/**
 * Gradients of the weight and the bias of linear: grad_weight_oi = sum over n of grad_no * z_ni, grad_bias_o = sum over n of
 * grad_no. In a chunk one chain of fused multiply-adds. Neither rows nor grad is checked. With grad = rows the Gram matrix.
 * @param rows        outer x features x inner
 * @param grad        outer x out_features x inner; may be rows
 * @param grad_weight out_features x features
 * @param grad_bias   out_features, or NULL
 */
VQ4J_API int32_t VQ4J_OPERATION(linear_gradient)(VQ4J_STREAM const float* rows, const float* grad, int64_t outer,
    int64_t inner, int64_t features, int64_t out_features, float* grad_weight, float* grad_bias);

/* ---- optimiser steps ----------------------------------------------------------------------------------------- */

/*
 * A step of each of several tensors, in place, by one kernel on CUDA. No step is made, and none counted, where one of some
 * batches fails that have been submitted to the stream and not been finished: what a step takes from them need not be waited
 * for. The arrays of addresses and counts are in host memory.
 *
 * counts        elements of each tensor
 * steps         2 numbers of each tensor, zero before its first step: how many steps there have been; room of the operation
 * batches       their numbers; may be NULL where batches_count is 0. On the CPU there are none
 */

/**
 * SGD with momentum: g += weight_decay * p; v = momentum * v + g; p -= learning_rate * v.
 * @param tensors 3 of each: p; g; v, zero before the first step, NULL when momentum is 0
 */
VQ4J_API int32_t VQ4J_OPERATION(sgd_step)(VQ4J_STREAM float* const* tensors, const int64_t* counts, int64_t* const* steps,
    int64_t tensors_count, const int64_t* batches, int64_t batches_count, double learning_rate, double momentum,
    double weight_decay);

/**
 * Adam (decoupled = 0: g += weight_decay * p) and AdamW (decoupled = 1: p -= learning_rate * weight_decay * p):
 * m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= learning_rate * mhat / (sqrt(vhat) + epsilon).
 * @param tensors 4 of each: p; g; m and v, zero before the first step
 */
VQ4J_API int32_t VQ4J_OPERATION(adam_step)(VQ4J_STREAM float* const* tensors, const int64_t* counts, int64_t* const* steps,
    int64_t tensors_count, const int64_t* batches, int64_t batches_count, double learning_rate, double beta1, double beta2,
    double epsilon, double weight_decay, int32_t decoupled);

/** Sets the rows k with mask_k != 0 of a K x D tensor to zero: the optimiser state of replaced codes. */
VQ4J_API int32_t VQ4J_OPERATION(clear_rows)(VQ4J_STREAM float* values, int64_t codes_count, int64_t features,
    const int32_t* mask);

/* ---- sums over workers --------------------------------------------------------------------------------------- */

/*
 * Workers that hold different rows of a batch add up 64-bit integers, whose sum does not depend on its order: a value x
 * travels as x * 2^exponent, rounded to the nearest integer (to even on a tie). The exponent is agreed upon from the
 * largest magnitude of all workers and their number of rows, so that 2^62 holds the sum.
 */

/** The largest |x|, 0 for none. VQ4J_NOT_FINITE names the first row with a NaN or an infinity. @param largest 1 */
VQ4J_API int32_t VQ4J_OPERATION(largest_magnitude)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, float* largest);

/**
 * Fixed-point sum of the rows of each code: scatter for several workers.
 * @param codes N, or NULL for one code that has all rows
 * @param shift D, subtracted from every row first (rounded to fp32), or NULL
 * @param power 1, or 2 for the squares of the shifted values (rounded to fp32)
 * @param sums  K x D, overwritten
 */
VQ4J_API int32_t VQ4J_OPERATION(fixed_point_scatter)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, const int32_t* codes, int64_t codes_count, const float* shift, int32_t power, int32_t exponent,
    int64_t* sums);

/** out = sums / 2^exponent / divisor, computed in fp64 and rounded once to fp32. */
VQ4J_API int32_t VQ4J_OPERATION(from_fixed_point)(VQ4J_STREAM const int64_t* sums, int64_t count, int32_t exponent,
    double divisor, float* out);

/**
 * For every marked code, the worker's candidate for its place, chosen by the rows' bits alone: the row with the largest
 * ticket, a number below 2^63 drawn by Philox from the row's elements, key seed, counter (k, step). Rows with equal bits
 * have equal tickets.
 * @param mask    K
 * @param tickets K; -1 for codes that are not marked
 * @param chosen  K, row numbers; -1 for codes that are not marked
 */
VQ4J_API int32_t VQ4J_OPERATION(draw_rows)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner, int64_t features,
    const int32_t* mask, int64_t codes_count, uint64_t seed, uint64_t step, int64_t* tickets, int64_t* chosen);

/**
 * The ticket of every row, the one that draw_rows gives it for code 0 in step 0: the rows with the largest tickets are a
 * sample that depends neither on where rows lie nor on their order. Rows with equal bits have equal tickets.
 * @param tickets N
 */
VQ4J_API int32_t VQ4J_OPERATION(row_tickets)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, uint64_t seed, int64_t* tickets);

/* ---- initialisation ------------------------------------------------------------------------------------------ */

/**
 * k-means++: K rows drawn one after the other with probability proportional to the squared distance to the nearest row
 * already drawn (uniformly when all distances are zero). Needs N >= K. VQ4J_NOT_FINITE names the first bad row.
 * @param codebook K x D
 */
VQ4J_API int32_t VQ4J_OPERATION(seed_codebook)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, int64_t codes_count, uint64_t seed, float* codebook);

/** The rows, repeated `repeats` times in order into a row-major matrix, plus noise * N(0, 1) on every element. */
VQ4J_API int32_t VQ4J_OPERATION(repeat_rows)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, int64_t repeats, float noise, uint64_t seed, float* out);

/**
 * k-means by Lloyd's moves: assign, then each code to the mean of its rows (codes without rows stay), until a move lowers
 * the objective by no more than tolerance * objective. The same bits as assign, commitment_loss, scatter and
 * update_centroids in a loop; the CPU leaves out scores that bounds on the distances prove too low (Ding et al., Yinyang
 * k-means, ICML 2015). VQ4J_NOT_FINITE names the first bad row, or the first code that overflowed; the codebook is then
 * as it was.
 * @param max_iterations moves at most, >= 0
 * @param tolerance      >= 0
 * @param codebook       K x D, the start; updated
 * @param codes          N, of the final codebook
 * @param objective      1, mean over all N * D elements of the squared error
 * @param iterations     1, moves that were made
 */
VQ4J_API int32_t VQ4J_OPERATION(lloyd)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner, int64_t features,
    int64_t codes_count, int64_t max_iterations, double tolerance, float* codebook, int32_t* codes, double* objective,
    int64_t* iterations);

/**
 * A mini-batch: `count` rows drawn uniformly, with repetition, by Philox, key seed, counter (i, batch).
 * @param out count x D, row-major
 */
VQ4J_API int32_t VQ4J_OPERATION(sample_rows)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, int64_t count, uint64_t seed, uint64_t batch, float* out);

/**
 * The move of a mini-batch (Sculley, WWW 2010, a rate 1 / totals_k for each code): totals_k += counts_k, then
 * codebook_k += (sums_k - counts_k * codebook_k) / totals_k where counts_k > 0.
 * @param totals K, rows that moved each code before; updated
 */
VQ4J_API int32_t VQ4J_OPERATION(mini_batch_update)(VQ4J_STREAM const float* sums, const int64_t* counts,
    int64_t codes_count, int64_t features, int64_t* totals, float* codebook);

/** Lloyd's update: codebook_k = sums_k / counts_k where counts_k > 0; other codes stay. */
VQ4J_API int32_t VQ4J_OPERATION(update_centroids)(VQ4J_STREAM const float* sums, const int64_t* counts,
    int64_t codes_count, int64_t features, float* codebook);

/* ---- replacement --------------------------------------------------------------------------------------------- */

/**
 * Counts the life of unused codes down: counter_k = lifetime where counts_k > 0, else counter_k - 1; at zero the code
 * is marked in mask and its counter restarts at lifetime.
 * @param counts   K, how often the batch used each code
 * @param counters K, updated
 * @param mask     K, 1 where the code is to be replaced, else 0
 * @param replaced 1, how many are marked
 */
VQ4J_API int32_t VQ4J_OPERATION(count_down)(VQ4J_STREAM const int64_t* counts, int64_t codes_count, int32_t lifetime,
    int32_t* counters, int32_t* mask, int64_t* replaced);

/**
 * Replaces the marked codes by random rows: x = z_r + noise * |z_r| * N(0, 1), mapped back through the affine,
 * c_k = (x - shift_t) / scale_t, so that the effective code lands on x (where scale is not zero). Row r of code k is drawn
 * uniformly by Philox, key seed, counter (k, step). A row whose squared length overflows has no noise.
 * @param mask         K
 * @param scale, shift groups x D, or NULL both
 * @param codebook     K x D, updated
 */
VQ4J_API int32_t VQ4J_OPERATION(replace_codes)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, const int32_t* mask, int64_t codes_count, const float* scale, const float* shift, int64_t groups,
    float noise, uint64_t seed, uint64_t step, float* codebook);

/**
 * The codes to be replaced become the vectors 0, 1, ... in turn, starting anew after the last, mapped back through the
 * affine as in replace_codes. From marked code number `exact` on (counted from 0, ascending), noise is added:
 * x = v + noise * |v| * N(0, 1), as in replace_codes.
 * @param vectors      vectors_count x D, effective vectors
 * @param mask         K
 * @param scale, shift groups x D, or NULL both
 * @param codebook     K x D, updated
 */
VQ4J_API int32_t VQ4J_OPERATION(place_codes)(VQ4J_STREAM const float* vectors, int64_t vectors_count,
    const int32_t* mask, int64_t codes_count, int64_t features, const float* scale, const float* shift, int64_t groups,
    int64_t exact, float noise, uint64_t seed, uint64_t step, float* codebook);

/**
 * The rows farthest from their codes: the numbers of the `count` rows with the largest distances, the farthest first, of
 * equal distances the lowest row first.
 * @param distances  N, at least 0, as of commitment_loss; a NaN counts as farther than all
 * @param rows_count N, below 2^32
 * @param count      1 to N
 * @param wanted     1, how many of the numbers are used, as count_down counts: where that is 0, order is all 0; NULL for count
 * @param order      count
 */
VQ4J_API int32_t VQ4J_OPERATION(farthest_rows)(VQ4J_STREAM const float* distances, int64_t rows_count, int64_t count,
    const int64_t* wanted, int64_t* order);

/**
 * The codes that are used, the busiest first, of equally busy ones the lowest first, in turn, starting anew after the last.
 * @param counts      K, below 2^32, at least one of them above 0
 * @param codes_count K, below 2^32
 * @param wanted      as in farthest_rows
 * @param order       K
 */
VQ4J_API int32_t VQ4J_OPERATION(busiest_codes)(VQ4J_STREAM const int64_t* counts, int64_t codes_count,
    const int64_t* wanted, int64_t* order);

/* ---- codebooks of moving averages ---------------------------------------------------------------------------- */

/**
 * A step of a codebook that follows moving averages of its rows (van den Oord et al., "Neural Discrete Representation
 * Learning", 2017, appendix A.1), with momentum = 1 - decay:
 * N_k = momentum * n_k + (1 - momentum) * N_k; m_k = momentum * s_k + (1 - momentum) * m_k; and by Laplace's smoothing
 * c_k = m_k / N'_k with N'_k = (N_k + epsilon) / (sum N + K epsilon) * sum N.
 * VQ4J_NOT_FINITE names the first code with an average that is not finite.
 * @param counts        K, n_k: how often the batch uses each code
 * @param sums          K x D, s_k: the sum of its rows, as of scatter
 * @param sizes         K, N_k before the step
 * @param averages      K x D, m_k before the step
 * @param next_sizes    K, N_k after it
 * @param next_averages K x D, m_k after it
 * @param codebook      K x D, c_k
 */
VQ4J_API int32_t VQ4J_OPERATION(moving_averages)(VQ4J_STREAM const int64_t* counts, const float* sums,
    int64_t codes_count, int64_t features, float momentum, double epsilon, const float* sizes, const float* averages,
    float* next_sizes, float* next_averages, float* codebook);

/**
 * Starts the moving averages of codes anew, so that they stand for the codes as they are: N_k = max(size, counts_k),
 * m_k = N_k c_k.
 * @param codebook K x D
 * @param mask     K, the codes with mask_k != 0; NULL for all
 * @param counts   K; NULL for zeros
 * @param sizes    K, updated
 * @param averages K x D, updated
 */
VQ4J_API int32_t VQ4J_OPERATION(restart_averages)(VQ4J_STREAM const float* codebook, const int32_t* mask,
    const int64_t* counts, int64_t codes_count, int64_t features, float size, float* sizes, float* averages);

/**
 * Marks the codes whose moving average of uses is below a threshold, N_k < threshold, for replacement. Their counters of
 * count_down restart at lifetime.
 * @param lifetime as for count_down; of no meaning without counters
 * @param counters K, updated; NULL where nothing counts down
 * @param mask     K; marks that are there already stay
 * @param marked   1, how many are marked then
 */
VQ4J_API int32_t VQ4J_OPERATION(expire_codes)(VQ4J_STREAM const float* sizes, int64_t codes_count, float threshold,
    int32_t lifetime, int32_t* counters, int32_t* mask, int64_t* marked);

/* ---- quantizers without a codebook --------------------------------------------------------------------------- */

/**
 * Finite scalar quantization (Mentzer et al. 2023, arXiv 2309.15505): with L levels of feature d, h = (L - 1) 1.001 / 2,
 * o = 0.5 for even L and 0 for odd, b = tanh(z + artanh(o / h)) h - o, the digit is round(b) + floor(L / 2), to the nearest
 * even on a tie, within [0, L - 1]; the value round(b) / floor(L / 2), in [-1, 1]. The code is the mixed-radix number of the
 * digits, feature 0 the lowest. tanh has 15 correct digits. VQ4J_NOT_FINITE names the first bad row.
 * @param levels D of them, each at least 2, their product at most 2^31 - 1; in host memory on both implementations
 * @param out    N x D in the layout of rows, or NULL
 * @param codes  N
 */
VQ4J_API int32_t VQ4J_OPERATION(finite_scalar_quantize)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, const int32_t* levels, float* out, int32_t* codes);

/** As finite_scalar_quantize, of rows in a 16-bit type, as for moments_half. */
VQ4J_API int32_t VQ4J_OPERATION(finite_scalar_quantize_half)(VQ4J_STREAM const uint16_t* rows, int32_t type, int64_t outer,
    int64_t inner, int64_t features, const int32_t* levels, float* out, int32_t* codes, float* widened);

/** The values of codes of finite_scalar_quantize, bit for bit. VQ4J_INVALID_ARGUMENT names the first code out of range. */
VQ4J_API int32_t VQ4J_OPERATION(finite_scalar_decode)(VQ4J_STREAM const int32_t* codes, int64_t outer, int64_t inner,
    int64_t features, const int32_t* levels, float* out);

/**
 * Gradient of the input of finite_scalar_quantize, straight through the rounding:
 * out = grad (1 - tanh^2(z + artanh(o / h))) h / floor(L / 2). out may be grad.
 * VQ4J_NOT_FINITE names the first bad row of grad.
 */
VQ4J_API int32_t VQ4J_OPERATION(finite_scalar_gradient)(VQ4J_STREAM const float* rows, const float* grad, int64_t outer,
    int64_t inner, int64_t features, const int32_t* levels, float* out);

/**
 * Sign codes (lookup-free quantization, Yu et al. 2023, arXiv 2310.05737; on rows of length 1 with scale 1 / sqrt(D) binary
 * spherical quantization, Zhao et al. 2024, arXiv 2406.07548): out = scale where z > 0, else -scale; bit d of the code is
 * 1 where z_d > 0. VQ4J_NOT_FINITE names the first bad row.
 * @param features at most 31
 * @param scale    finite, above 0
 * @param out      N x D in the layout of rows, or NULL
 * @param codes    N
 */
VQ4J_API int32_t VQ4J_OPERATION(sign_quantize)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, float scale, float* out, int32_t* codes);

/** As sign_quantize, of rows in a 16-bit type, as for moments_half. */
VQ4J_API int32_t VQ4J_OPERATION(sign_quantize_half)(VQ4J_STREAM const uint16_t* rows, int32_t type, int64_t outer,
    int64_t inner, int64_t features, float scale, float* out, int32_t* codes, float* widened);

/** The values of sign codes. VQ4J_INVALID_ARGUMENT names the first code outside [0, 2^D). */
VQ4J_API int32_t VQ4J_OPERATION(sign_decode)(VQ4J_STREAM const int32_t* codes, int64_t outer, int64_t inner,
    int64_t features, float scale, float* out);

/**
 * The losses of sign codes, with p_nd = sigmoid(sharpness z_nd) and H(p) = -p ln p - (1 - p) ln(1 - p). With sharpness =
 * 2 t scale these are the probabilities of the bits under a softmax over all 2^D codes of t z.code, where bits are
 * independent: losses[1] is the exact entropy of its codes, losses[2] that of the mean code with bits taken as independent.
 * @param losses      3: mean over all elements of (z - code)^2; mean over the rows of sum_d H(p_nd); sum_d H(mean_n p_nd)
 * @param mean_logits D: ln(mean_n p_nd / mean_n (1 - p_nd)), for sign_gradient
 */
VQ4J_API int32_t VQ4J_OPERATION(sign_losses)(VQ4J_STREAM const float* rows, int64_t outer, int64_t inner,
    int64_t features, float scale, double sharpness, double* losses, double* mean_logits);

/**
 * Gradient of the input of sign_quantize, straight-through plus losses:
 * out = grad + commitment (z - code) + entropy sharpness p (1 - p) (diversity mean_logit_d - sharpness z), where
 * commitment = alpha 2 weight / (N D) and entropy = alpha weight / N give the gradient of
 * alpha (weight losses[0] + weight (losses[1] - diversity losses[2])). A null grad counts as zero. out may be grad.
 * VQ4J_NOT_FINITE names the first bad row of grad.
 * @param mean_logits D, of sign_losses
 */
VQ4J_API int32_t VQ4J_OPERATION(sign_gradient)(VQ4J_STREAM const float* rows, const float* grad, int64_t outer,
    int64_t inner, int64_t features, float scale, double sharpness, double commitment, double entropy, double diversity,
    const double* mean_logits, float* out);

/**
 * The entropy -sum p ln p of the histogram of codes and how many codes occur, from the sorted codes: needs no memory for
 * codes that do not occur. VQ4J_INVALID_ARGUMENT names the first code out of range.
 * @param codes       N
 * @param codes_count at most 2^31
 * @param entropy     1
 * @param used        1
 */
VQ4J_API int32_t VQ4J_OPERATION(code_usage)(VQ4J_STREAM const int32_t* codes, int64_t rows_count, int64_t codes_count,
    double* entropy, int64_t* used);
