/*
 * ---- Operators: from columns of tensors to the next column of another ----
 *
 * A column is all that a tensor has at one step in time, (rows, channels). A layer runs as soon as
 * the columns that it needs are there, so a tensor holds its last columns only, as a ring.
 */

static float *column_of(model_state *state, const tensor *one, int32_t index)
{
    int32_t size = one->height * one->channels;
    return state->columns + one->first + index % one->columns * size + one->above * one->channels;
}

//@ if conv
/* Four products of the same weights with rows that are `step` values apart. */
static void multiply_rows(const stored_weight *weights, const float *row, int32_t step,
                          int32_t length, float *sums)
{
    const float *second = row + step, *third = second + step, *fourth = third + step;
    float a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    int32_t index;

    for (index = 0; index < length; ++index) {
        float weight = (float)weights[index];
        a += weight * row[index];
        b += weight * second[index];
        c += weight * third[index];
        d += weight * fourth[index];
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

static void multiply_row(const stored_weight *weights, const float *row, int32_t length, float *sum)
{
    float a = *sum;
    int32_t index;

    for (index = 0; index < length; ++index) {
        a += (float)weights[index] * row[index];
    }
    *sum = a;
}

/* One output channel of up to four rows, before scale and bias. */
static void convolve_rows(const layer *one, const stored_weight *weights, const float *const *taps,
                          int32_t row, int32_t num_rows, float *sums)
{
    int32_t channels = tensors[one->input].channels, step = one->stride_rows * channels;
    int32_t apart = one->dilation_rows * channels, size = one->run_rows * channels;
    int32_t tap, run, index;

    for (tap = 0; tap < one->kernel_columns; ++tap) {
        for (run = 0; run < one->kernel_rows; run += one->run_rows, weights += size) {
            const float *from = taps[tap];
            if (!from) {
                continue;
            }
            from += row * step + run * apart;
            if (num_rows == 4) {
                multiply_rows(weights, from, step, size, sums);
            } else {
                for (index = 0; index < num_rows; ++index, from += step) {
                    multiply_row(weights, from, size, &sums[index]);
                }
            }
        }
    }
}

static void convolve(const layer *one, const float *const *taps, float *to)
{
    int32_t size = one->kernel_columns * one->kernel_rows * tensors[one->input].channels;
    int32_t row, channel, index;

    for (row = 0; row < one->rows; row += 4) {
        int32_t num_rows = one->rows - row < 4 ? one->rows - row : 4;
        for (channel = 0; channel < one->channels; ++channel) {
            float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
            convolve_rows(one, one->weights + channel * size, taps, row, num_rows, sums);
            for (index = 0; index < num_rows; ++index) {
                to[(row + index) * one->channels + channel] = scaled(one, channel, sums[index]);
            }
        }
    }
}

//@ end
//@ if depthwise
/* Each channel by itself. */
static void convolve_depthwise(const layer *one, const float *const *taps, float *to)
{
    int32_t channels = one->channels, row, tap, part, channel;

    for (row = 0; row < one->rows; ++row, to += channels) {
        const stored_weight *weights = one->weights;
        memset(to, 0, (size_t)channels * sizeof *to);
        for (tap = 0; tap < one->kernel_columns; ++tap) {
            for (part = 0; part < one->kernel_rows; ++part, weights += channels) {
                int32_t place = row * one->stride_rows + part * one->dilation_rows;
                for (channel = 0; taps[tap] && channel < channels; ++channel) {
                    to[channel] += (float)weights[channel] * taps[tap][place * channels + channel];
                }
            }
        }
        for (channel = 0; channel < channels; ++channel) {
            to[channel] = scaled(one, channel, to[channel]);
        }
    }
}

//@ end
//@ if max_pool
/* The largest values; kernels may overlap, and may reach beyond the last row and column. */
static void pool_max(const layer *one, const float *const *taps, float *to)
{
    const tensor *input = &tensors[one->input];
    int32_t channels = one->channels, row, tap, part, channel;

    for (row = 0; row < one->rows; ++row, to += channels) {
        for (channel = 0; channel < channels; ++channel) {
            to[channel] = -HUGE_VALF;
        }
        for (tap = 0; tap < one->kernel_columns; ++tap) {
            for (part = 0; taps[tap] && part < one->kernel_rows; ++part) {
                int32_t place = row * one->stride_rows + part;
                for (channel = 0; place < input->rows && channel < channels; ++channel) {
                    float value = taps[tap][place * channels + channel];
                    to[channel] = value > to[channel] ? value : to[channel];
                }
            }
        }
    }
}

//@ end
//@ if band_mean
/* The mean over the rows. */
static void average_rows(const layer *one, const float *from, float *to)
{
    int32_t rows = tensors[one->input].rows, row, channel;

    for (channel = 0; channel < one->channels; ++channel) {
        float sum = 0.0f;
        for (row = 0; row < rows; ++row) {
            sum += from[row * one->channels + channel];
        }
        to[channel] = sum / (float)rows;
    }
}

//@ end
//@ if add
/* The sum of two columns, of which the second may have one row, for all rows of the first. */
static void add(const layer *one, const float *from, const float *other, float *to)
{
    int32_t step = tensors[one->other].rows > 1 ? one->channels : 0, row, channel;

    for (row = 0; row < one->rows; ++row) {
        for (channel = 0; channel < one->channels; ++channel) {
            *to++ = *from++ + other[row * step + channel];
        }
    }
}

//@ end
/* Adds a column to what the head of the network knows of the window. */
static void summarize(model_state *state, const layer *one, const float *from, int32_t column)
{
//@ if keep_all
    int32_t rows = one->rows, channels = one->channels, length = one->num_columns, index;

    for (index = 0; index < rows * channels; ++index) {
        int32_t place = index % channels * rows + index / channels;
        state->summary[place * length + column] = from[index];
    }
//@ end
//@ if keep_mean
    int32_t size = one->rows * one->channels, index;
    float *sums = state->summary;
//@ if keep_max
    float *largest = sums + size;
//@ end

    for (index = 0; index < size; ++index) {
        sums[index] = column ? sums[index] + from[index] : from[index];
//@ if keep_max
        largest[index] = column && largest[index] >= from[index] ? largest[index] : from[index];
//@ end
    }
//@ end
}

/* What is computed of the values of a column, one by one. */
static void apply(const step *one, float *values, int32_t rows, int32_t channels)
{
    int32_t row, channel;

    for (row = 0; row < rows; ++row) {
        for (channel = 0; channel < channels; ++channel, ++values) {
            switch (one->kind) {
//@ if relu
            case RELU:
                *values = *values > 0.0f ? *values : 0.0f;
                break;
//@ end
//@ if silu
            case SILU:
                *values /= 1.0f + expf(-*values);
                break;
//@ end
//@ if affine
            case SCALE:
                *values *= one->factors[row / one->rows * channels + channel];
                *values += one->offsets[row / one->rows * channels + channel];
                break;
//@ end
            default:
                break;
            }
        }
    }
}

