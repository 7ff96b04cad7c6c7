/* Batch normalization in training and the activation behind it, each pass over memory once.

   Maps are float32, channels last: `rows` positions of `channels` values. Rows are divided into parts, CHUNKS at most,
   whatever the number of threads, and the sums of the parts are added in their order: the result is the same to the
   last bit with any number. Within a block of ROWS rows sums are float32, beyond it float64; those of the input are
   taken from the mean of a few rows, so that the variance does not cancel. */

#define CHUNKS 64
#define ROWS 64
#define SAMPLES 16

enum { LINEAR, RELU, RELU6, H_SWISH, INPUT };

#define INLINE static inline __attribute__((always_inline))

INLINE float activated(float z, int kind) {
    if (kind == RELU) return z < 0 ? 0 : z;
    if (kind == RELU6) return z < 0 ? 0 : z > 6 ? 6 : z;
    if (kind == H_SWISH) {
        float gate = z + 3;
        gate = gate < 0 ? 0 : gate > 6 ? 6 : gate;
        return z * gate * (1.0f / 6);
    }
    return z;
}

/* The gradient of the input of the activation, from that of its output. */
INLINE float passed(float gradient, float z, int kind) {
    if (kind == RELU) return z > 0 ? gradient : 0;
    if (kind == RELU6) return z > 0 && z < 6 ? gradient : 0;
    if (kind == H_SWISH) return z <= -3 ? 0 : z >= 3 ? gradient : gradient * (2 * z + 3) * (1.0f / 6);
    return gradient;
}

INLINE long smaller(long a, long b) { return a < b ? a : b; }

/* The mean of a few rows, evenly spread. */
static void sample_mean(const float *x, long rows, long channels, float *mean) {
    long samples = smaller(rows, SAMPLES);
    for (long c = 0; c < channels; c++) mean[c] = 0;
    for (long sample = 0; sample < samples; sample++)
        for (long c = 0; c < channels; c++) mean[c] += x[sample * (rows / samples) * channels + c] / samples;
}

/* Adds up the parts of all chunks: sums[2][channels] in the first one. */
static void add_chunks(double *parts, long count, long channels) {
    for (long chunk = 1; chunk < count; chunk++)
        for (long c = 0; c < 2 * channels; c++) parts[c] += parts[chunk * 2 * channels + c];
}

INLINE void activate_rows(const float *x, const float *scale, const float *bias, const float *mean, float *y, long rows,
                          long channels, int threads, int kind) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < rows; row++) {
        const float *in = x + row * channels;
        float *out = y + row * channels;
        for (long c = 0; c < channels; c++) out[c] = activated((in[c] - mean[c]) * scale[c] + bias[c], kind);
    }
}

/* For each chunk the sums of g and of g * (x - mean). g: the gradient behind the activation; INPUT: x - mean itself. */
INLINE void sums(const float *x, const float *gradient, const float *scale, const float *bias, const float *mean,
                 long rows, long channels, double *parts, int threads, int kind) {
    long length = (rows + CHUNKS - 1) / CHUNKS;
    length = length < ROWS ? ROWS : length; /* of small maps the sums of many chunks would take longer than the map */
    long count = (rows + length - 1) / length;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long chunk = 0; chunk < count; chunk++) {
        double *part = parts + chunk * 2 * channels;
        float first[channels], second[channels];
        for (long c = 0; c < 2 * channels; c++) part[c] = 0;
        long end = smaller((chunk + 1) * length, rows);
        for (long block = chunk * length; block < end; block += ROWS) {
            for (long c = 0; c < channels; c++) first[c] = second[c] = 0;
            for (long row = block; row < smaller(block + ROWS, end); row++) {
                const float *values = x + row * channels, *incoming = gradient + row * channels;
                for (long c = 0; c < channels; c++) {
                    float off = values[c] - mean[c];
                    float g = kind == INPUT ? off : passed(incoming[c], off * scale[c] + bias[c], kind);
                    first[c] += g;
                    second[c] += g * off;
                }
            }
            for (long c = 0; c < channels; c++) {
                part[c] += first[c];
                part[channels + c] += second[c];
            }
        }
    }
    add_chunks(parts, count, channels);
}

/* x_gradient = scale * g - a * (x - mean) - b */
INLINE void input_gradient(const float *x, const float *gradient, const float *scale, const float *bias,
                           const float *mean, const float *a, const float *b, float *x_gradient, long rows,
                           long channels, int threads, int kind) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < rows; row++) {
        const float *values = x + row * channels, *incoming = gradient + row * channels;
        float *out = x_gradient + row * channels;
        for (long c = 0; c < channels; c++) {
            float off = values[c] - mean[c];
            out[c] = scale[c] * passed(incoming[c], off * scale[c] + bias[c], kind) - a[c] * off - b[c];
        }
    }
}

#define BY_KIND(call, ...)                                  \
    switch (kind) {                                         \
        case RELU: call(__VA_ARGS__, RELU); break;          \
        case RELU6: call(__VA_ARGS__, RELU6); break;        \
        case H_SWISH: call(__VA_ARGS__, H_SWISH); break;    \
        default: call(__VA_ARGS__, LINEAR); break;          \
    }

int chunks(void) { return CHUNKS; }

/* y = activation(weight * (x - mean) / sqrt(variance + eps) + bias).

   running: mean and variance, updated by `momentum` of this batch's, whose variance is then that of a sample.
   saved[2][channels]: weight / sqrt(variance + eps), and the mean that was taken from x before it was multiplied.
   inverse[channels]: 1 / sqrt(variance + eps). parts: room for CHUNKS * 2 * channels. */
void norm_forward(const float *x, const float *weight, const float *bias, float *running_mean, float *running_variance,
                  double momentum, double eps, long rows, long channels, int kind, int threads, double *parts,
                  float *saved, double *inverse, float *y) {
    float *scale = saved, *mean = saved + channels;
    sample_mean(x, rows, channels, mean);
    sums(x, x, mean, mean, mean, rows, channels, parts, threads, INPUT);
    for (long c = 0; c < channels; c++) {
        double off = parts[c] / rows, center = mean[c] + off;
        double variance = parts[channels + c] / rows - off * off;
        variance = variance < 0 ? 0 : variance; /* NaN stays */
        inverse[c] = 1 / __builtin_sqrt(variance + eps);
        mean[c] = center;
        scale[c] = weight[c] * inverse[c];
        running_mean[c] += momentum * (center - running_mean[c]);
        running_variance[c] += momentum * (variance * rows / (rows - 1) - running_variance[c]);
    }
    BY_KIND(activate_rows, x, scale, bias, mean, y, rows, channels, threads)
}

/* The gradients of x, weight and bias. work: room for 2 * channels. */
void norm_backward(const float *x, const float *gradient, const float *bias, const float *saved, const double *inverse,
                   long rows, long channels, int kind, int threads, double *parts, float *work, float *x_gradient,
                   float *weight_gradient, float *bias_gradient) {
    const float *scale = saved, *mean = saved + channels;
    float *a = work, *b = work + channels;
    BY_KIND(sums, x, gradient, scale, bias, mean, rows, channels, parts, threads)
    for (long c = 0; c < channels; c++) {
        bias_gradient[c] = parts[c];
        weight_gradient[c] = parts[channels + c] * inverse[c];
        a[c] = scale[c] * inverse[c] * inverse[c] * parts[channels + c] / rows;
        b[c] = scale[c] * parts[c] / rows;
    }
    BY_KIND(input_gradient, x, gradient, scale, bias, mean, a, b, x_gradient, rows, channels, threads)
}
