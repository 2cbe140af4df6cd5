/* ---- Front end: samples to log-mel frames ---- */

/* exp(-2 pi i index / n_fft). */
static void turn(uint32_t index, float *real, float *imaginary)
{
    if (index <= MODEL_N_FFT / 2) {
        *real = turns[2 * index];
        *imaginary = -turns[2 * index + 1];
    } else {
        *real = turns[2 * (MODEL_N_FFT - index)];
        *imaginary = turns[2 * (MODEL_N_FFT - index) + 1];
    }
}

//@ if radix_4
/* Four values, a stride apart, and their transform; the last three are turned. */
static void transform_4(const float *from, uint32_t step, float *to, uint32_t stride,
                        const float *turned)
{
    const float *a = from, *b = a + step, *c = b + step, *d = c + step;
    float sum_re = a[0] + c[0], sum_im = a[1] + c[1];
    float gap_re = a[0] - c[0], gap_im = a[1] - c[1];
    float odd_re = b[0] + d[0], odd_im = b[1] + d[1];
    float side_re = b[1] - d[1], side_im = d[0] - b[0];
    float values[6];
    uint32_t index;

    to[0] = sum_re + odd_re;
    to[1] = sum_im + odd_im;
    values[0] = gap_re + side_re;
    values[1] = gap_im + side_im;
    values[2] = sum_re - odd_re;
    values[3] = sum_im - odd_im;
    values[4] = gap_re - side_re;
    values[5] = gap_im - side_im;
    for (index = 0; index < 6; index += 2) {
        to += stride;
        to[0] = values[index] * turned[index] - values[index + 1] * turned[index + 1];
        to[1] = values[index] * turned[index + 1] + values[index + 1] * turned[index];
    }
}

/* A pass over all values by fours; see pass. */
static void pass_4(const float *from, float *to, uint32_t length, uint32_t stride)
{
    uint32_t count = length / 4, step = 2 * stride * count, index, place, power;
    float turned[6];

    for (index = 0; index < count; ++index) {
        for (power = 1; power < 4; ++power) {
            turn(power * index * (MODEL_N_FFT / length), &turned[2 * power - 2],
                 &turned[2 * power - 1]);
        }
        for (place = 0; place < stride; ++place) {
            transform_4(from + 2 * (place + stride * index), step,
                        to + 2 * (place + stride * 4 * index), 2 * stride, turned);
        }
    }
}

//@ end
//@ if radix_other
/* A pass over all values by so many as `radix`; see pass. */
static void pass_by(uint32_t radix, const float *from, float *to, uint32_t length, uint32_t stride)
{
    uint32_t count = length / radix, index, place, row, part;
    float turn_re, turn_im, sum_re, sum_im;

    for (index = 0; index < count; ++index) {
        for (row = 0; row < radix; ++row) {
            for (place = 0; place < stride; ++place) {
                float *target = to + 2 * (place + stride * (radix * index + row));
                const float *value = from + 2 * (place + stride * index);
                sum_re = sum_im = 0.0f;
                for (part = 0; part < radix; ++part) {
                    turn(part * row % radix * (MODEL_N_FFT / radix), &turn_re, &turn_im);
                    sum_re += value[0] * turn_re - value[1] * turn_im;
                    sum_im += value[0] * turn_im + value[1] * turn_re;
                    value += 2 * stride * count;
                }
                turn(row * index * (MODEL_N_FFT / length), &turn_re, &turn_im);
                target[0] = sum_re * turn_re - sum_im * turn_im;
                target[1] = sum_re * turn_im + sum_im * turn_re;
            }
        }
    }
}

//@ end
/*
 * The Fourier transform of n_fft / 2 complex values, by Stockham's passes between two buffers.
 * Returns the buffer that holds it.
 */
static float *transform(float *values, float *others)
{
    uint32_t length = MODEL_N_FFT / 2, stride = 1, pass;

    for (pass = 0; pass < sizeof factors / sizeof factors[0]; ++pass) {
        float *exchanged = values;
//@ if radix_4
        if (factors[pass] == 4) {
            pass_4(values, others, length, stride);
        }
//@ end
//@ if radix_other
        if (factors[pass] != 4) {
            pass_by(factors[pass], values, others, length, stride);
        }
//@ end
        length /= factors[pass];
        stride *= factors[pass];
        values = others;
        others = exchanged;
    }
    return values;
}

/* What a bin of the spectrum adds to its bands, from its energy. */
static float bin_value(float real, float imaginary)
{
//@ if energy
    return real * real + imaginary * imaginary;
//@ end
//@ if other_power
    return powf(real * real + imaginary * imaginary, @half_power@);
//@ end
}

/* The n_fft / 2 + 1 bins, from the transform of even samples with odd ones as imaginary parts. */
static void split_bins(const float *values, float *bins)
{
    const uint32_t half = MODEL_N_FFT / 2;
    uint32_t index;

    for (index = 0; index <= half / 2; ++index) {
        const float *low = values + 2 * index, *high = values + 2 * ((half - index) % half);
        float even_re = 0.5f * (low[0] + high[0]), even_im = 0.5f * (low[1] - high[1]);
        float odd_re = 0.5f * (low[1] + high[1]), odd_im = 0.5f * (high[0] - low[0]);
        float turn_re, turn_im, turned_re, turned_im;

        turn(index, &turn_re, &turn_im);
        turned_re = odd_re * turn_re - odd_im * turn_im;
        turned_im = odd_re * turn_im + odd_im * turn_re;
        bins[index] = bin_value(even_re + turned_re, even_im + turned_im);
        bins[half - index] = bin_value(even_re - turned_re, even_im - turned_im);
    }
}

/* The nearest half-precision number, of two the even one. */
static uint16_t to_half(float value)
{
    union { float number; uint32_t bits; } one;
    uint32_t sign, size;

    one.number = value;
    sign = one.bits >> 16 & 0x8000u;
    size = one.bits & 0x7fffffffu;
    if (size > 0x7f800000u) {
        return 0x7e00u;
    }
    if (size < 0x38800000u) {
        one.bits = size;
        one.number += 0.5f;
        return (uint16_t)(sign | (one.bits - 0x3f000000u));
    }
    size += 0xfffu + (size >> 13 & 1u);
    return (uint16_t)(sign | (size >= 0x47800000u ? 0x7c00u : (size - 0x38000000u) >> 13));
}

static float from_half(uint16_t half)
{
    union { float number; uint32_t bits; } one;
    uint32_t size = half & 0x7fffu;

    if (size < 0x400u) {
        one.number = (float)size * 5.9604644775390625e-8f;
    } else {
        one.bits = (size << 13) + (size < 0x7c00u ? 0x38000000u : 0x70000000u);
    }
    return half & 0x8000u ? -one.number : one.number;
}

/* The samples of a frame, oldest first, with the window applied. */
static void cut_frame(const model_state *state, float *values)
{
    uint32_t index, place = (state->next_sample + WINDOW_FIRST) % MODEL_N_FFT;

    memset(values, 0, MODEL_N_FFT * sizeof *values);
    for (index = 0; index < WINDOW_LENGTH; ++index) {
        uint32_t mirrored = index <= WINDOW_LENGTH / 2 ? index : WINDOW_LENGTH - index;
        values[WINDOW_FIRST + index] = state->samples[place] * window[mirrored];
        place = place + 1 < MODEL_N_FFT ? place + 1 : 0;
    }
}

/* The next frame of the clip, from the last samples: decibels of each band, and its level. */
static void add_frame(model_state *state)
{
    float *values = state->scratch, *bins = values, power = 0.0f;
    uint16_t *frame = state->frames[state->num_frames % MODEL_WINDOW_FRAMES];
    const float *weight = band_weights;
    uint32_t band, bin;

    cut_frame(state, values);
    values = transform(values, values + MODEL_N_FFT);
    bins = values == state->scratch ? values + MODEL_N_FFT : state->scratch;
    split_bins(values, bins);
    for (band = 0; band < MODEL_N_MELS; ++band) {
        const float *from = bins + band_bins[band][0];
        float sum = 0.0f, decibels;
        for (bin = 0; bin < band_bins[band][1]; ++bin) {
            sum += *weight++ * from[bin];
        }
        frame[band] = to_half(@decibel_scale@ * logf(sum < 1e-10f ? 1e-10f : sum));
        decibels = from_half(frame[band]);
        sum = expf(0.23025850929940457f * decibels) - @floor_power@;
        power += sum < 0.0f ? 0.0f : level_weights[band] * sum;
    }
    /* Not a number, once it is there, stays. */
    if (power > state->peak_power || power != power) {
        state->peak_power = power;
    }
    ++state->num_frames;
}
