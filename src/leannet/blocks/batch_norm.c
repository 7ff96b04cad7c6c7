/* Batch normalization in training and the activation behind it, each pass over memory once.

   Maps are float32 or bfloat16 (`half`), channels last: `rows` positions of `channels` values; all else is float32, and
   so is what is computed from them. Rows are divided into parts, CHUNKS at most, whatever the number of threads, and
   the sums of the parts are added in their order: the result is the same to the last bit with any number. Within a
   block of ROWS rows sums are float32, beyond it float64; those of the input are taken from the mean of a few rows, so
   that the variance does not cancel. */

#include <stdint.h>
#include <string.h>

#define CHUNKS 64
#define ROWS 64
#define SAMPLES 16

enum { LINEAR, RELU, RELU6, H_SWISH, INPUT };

#define INLINE static inline __attribute__((always_inline))

/* A value of a map. */
INLINE float get(const void *map, long place, int half) {
    if (!half) return ((const float *)map)[place];
    uint32_t bits = (uint32_t)((const uint16_t *)map)[place] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To the nearest, of two as near to the even one. */
INLINE void put(void *map, long place, float value, int half) {
    if (half) {
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        ((uint16_t *)map)[place] = (uint16_t)(value != value ? 0x7fc0 : rounded);
    } else {
        ((float *)map)[place] = value;
    }
}

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
INLINE void sample_mean(const void *x, long rows, long channels, float *mean, int half) {
    long samples = smaller(rows, SAMPLES);
    for (long c = 0; c < channels; c++) mean[c] = 0;
    for (long sample = 0; sample < samples; sample++)
        for (long c = 0; c < channels; c++) mean[c] += get(x, sample * (rows / samples) * channels + c, half) / samples;
}

/* Adds up the parts of all chunks: sums[2][channels] in the first one. */
static void add_chunks(double *parts, long count, long channels) {
    for (long chunk = 1; chunk < count; chunk++)
        for (long c = 0; c < 2 * channels; c++) parts[c] += parts[chunk * 2 * channels + c];
}

/* What loops do, as code of its own for each kind of activation and of map: chosen for each block of rows, since what the
   compiler knows of a function ends where a parallel loop begins. */
#define BY_HALF(call, kind, ...) (half ? call(__VA_ARGS__, kind, 1) : call(__VA_ARGS__, kind, 0))
#define BY_KIND(call, ...)                                           \
    switch (kind) {                                                  \
        case RELU: BY_HALF(call, RELU, __VA_ARGS__); break;          \
        case RELU6: BY_HALF(call, RELU6, __VA_ARGS__); break;        \
        case H_SWISH: BY_HALF(call, H_SWISH, __VA_ARGS__); break;    \
        case INPUT: BY_HALF(call, INPUT, __VA_ARGS__); break;        \
        default: BY_HALF(call, LINEAR, __VA_ARGS__); break;          \
    }

INLINE void activate_rows(const void *x, const float *restrict scale, const float *restrict bias,
                          const float *restrict mean, void *restrict y, long row, long end, long channels, int kind,
                          int half) {
    for (; row < end; row++)
        for (long c = 0; c < channels; c++) {
            float z = (get(x, row * channels + c, half) - mean[c]) * scale[c] + bias[c];
            put(y, row * channels + c, activated(z, kind), half);
        }
}

static void activate(const void *x, const float *scale, const float *bias, const float *mean, void *y, long rows,
                     long channels, int kind, int half, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < rows; row += ROWS)
        BY_KIND(activate_rows, x, scale, bias, mean, y, row, smaller(row + ROWS, rows), channels)
}

/* Adds up g and g * (x - mean) of some rows. g: the gradient behind the activation; INPUT: x - mean itself. */
INLINE void sum_rows(const void *x, const void *gradient, const float *restrict scale, const float *restrict bias,
                     const float *restrict mean, long row, long end, long channels, float *restrict first,
                     float *restrict second, int kind, int half) {
    for (; row < end; row++)
        for (long c = 0; c < channels; c++) {
            float off = get(x, row * channels + c, half) - mean[c];
            float g = off;
            if (kind != INPUT) g = passed(get(gradient, row * channels + c, half), off * scale[c] + bias[c], kind);
            first[c] += g;
            second[c] += g * off;
        }
}

/* These sums for each chunk, and of all in the first one. */
static void sums(const void *x, const void *gradient, const float *scale, const float *bias, const float *mean,
                 long rows, long channels, double *parts, int kind, int half, int threads) {
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
            BY_KIND(sum_rows, x, gradient, scale, bias, mean, block, smaller(block + ROWS, end), channels, first, second)
            for (long c = 0; c < channels; c++) {
                part[c] += first[c];
                part[channels + c] += second[c];
            }
        }
    }
    add_chunks(parts, count, channels);
}

/* x_gradient = scale * g - a * (x - mean) - b */
INLINE void gradient_rows(const void *x, const void *gradient, const float *restrict scale, const float *restrict bias,
                          const float *restrict mean, const float *restrict a, const float *restrict b,
                          void *restrict x_gradient, long row, long end, long channels, int kind, int half) {
    for (; row < end; row++)
        for (long c = 0; c < channels; c++) {
            float off = get(x, row * channels + c, half) - mean[c];
            float g = passed(get(gradient, row * channels + c, half), off * scale[c] + bias[c], kind);
            put(x_gradient, row * channels + c, scale[c] * g - a[c] * off - b[c], half);
        }
}

static void input_gradient(const void *x, const void *gradient, const float *scale, const float *bias,
                           const float *mean, const float *a, const float *b, void *x_gradient, long rows,
                           long channels, int kind, int half, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < rows; row += ROWS)
        BY_KIND(gradient_rows, x, gradient, scale, bias, mean, a, b, x_gradient, row, smaller(row + ROWS, rows), channels)
}

int chunks(void) { return CHUNKS; }

/* y = activation(weight * (x - mean) / sqrt(variance + eps) + bias).

   running: mean and variance, updated by `momentum` of this batch's, whose variance is then that of a sample.
   saved[2][channels]: weight / sqrt(variance + eps), and the mean that was taken from x before it was multiplied.
   inverse[channels]: 1 / sqrt(variance + eps). parts: room for CHUNKS * 2 * channels. */
void norm_forward(const void *x, const float *weight, const float *bias, float *running_mean, float *running_variance,
                  double momentum, double eps, long rows, long channels, int kind, int half, int threads,
                  double *parts, float *saved, double *inverse, void *y) {
    float *scale = saved, *mean = saved + channels;
    if (half) sample_mean(x, rows, channels, mean, 1);
    else sample_mean(x, rows, channels, mean, 0);
    sums(x, x, mean, mean, mean, rows, channels, parts, INPUT, half, threads);
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
    activate(x, scale, bias, mean, y, rows, channels, kind, half, threads);
}

/* The gradients of x, weight and bias. work: room for 2 * channels. */
void norm_backward(const void *x, const void *gradient, const float *bias, const float *saved, const double *inverse,
                   long rows, long channels, int kind, int half, int threads, double *parts, float *work,
                   void *x_gradient, float *weight_gradient, float *bias_gradient) {
    const float *scale = saved, *mean = saved + channels;
    float *a = work, *b = work + channels;
    sums(x, gradient, scale, bias, mean, rows, channels, parts, kind, half, threads);
    for (long c = 0; c < channels; c++) {
        bias_gradient[c] = parts[c];
        weight_gradient[c] = parts[channels + c] * inverse[c];
        a[c] = scale[c] * inverse[c] * inverse[c] * parts[channels + c] / rows;
        b[c] = scale[c] * parts[c] / rows;
    }
    input_gradient(x, gradient, scale, bias, mean, a, b, x_gradient, rows, channels, kind, half, threads);
}
