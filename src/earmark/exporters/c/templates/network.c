/*
 * ---- Network: columns of tensors, from frames to logits ----
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

//@ if pooled
/* Pools a column into the output, where it is the first or the next one of a column there. */
static void pool(model_state *state, const layer *one, int32_t column)
{
    const tensor *output = &tensors[one->output];
    int32_t number = column / one->pool_step, within = column % one->pool_step;
    int32_t channels = one->channels, row, part, channel;
    float *to;

    if (within >= one->pool_columns || number >= output->length) {
        return;
    }
    to = column_of(state, output, number);
    for (row = 0; row < output->rows; ++row, to += channels) {
        const float *from = state->scratch + row * one->pool_row_step * channels;
        int32_t last = row * one->pool_row_step + one->pool_rows;
        last = last < one->rows ? last : one->rows;
        for (part = row * one->pool_row_step; part < last; ++part, from += channels) {
            int32_t is_first = within == 0 && part == row * one->pool_row_step;
            for (channel = 0; channel < channels; ++channel) {
                to[channel] = is_first || from[channel] > to[channel] ? from[channel] : to[channel];
            }
        }
    }
    if (within == one->pool_columns - 1 || column == one->num_columns - 1) {
        state->num_columns[one->output] = number + 1;
    }
}

//@ end
/* The input columns of a layer's next column, NULL outside the window; 0 if one is not there. */
static int32_t find_taps(model_state *state, const layer *one, int32_t column, const float **taps)
{
    const tensor *input = &tensors[one->input];
    int32_t first = column * one->stride_columns - one->before, tap;
    int32_t last = first + (one->kernel_columns - 1) * one->dilation_columns;

    last = last < input->length ? last : input->length - 1;
    if (last >= state->num_columns[one->input]) {
        return 0;
    }
    for (tap = 0; tap < one->kernel_columns; ++tap) {
        int32_t place = first + tap * one->dilation_columns;
        taps[tap] = NULL;
        if (place >= 0 && place < input->length) {
            taps[tap] = column_of(state, input, place) - one->above * input->channels;
        }
    }
//@ if add
    return one->op != ADD || column < state->num_columns[one->other];
//@ end
//@ if no_add
    return 1;
//@ end
}

/* Runs an operator on one column. */
static void operate(model_state *state, const layer *one, int32_t column, const float **taps,
                    float *to)
{
    switch (one->op) {
//@ if conv
    case CONVOLVE:
        convolve(one, taps, to);
        break;
//@ end
//@ if depthwise
    case CONVOLVE_DEPTHWISE:
        convolve_depthwise(one, taps, to);
        break;
//@ end
//@ if max_pool
    case POOL_MAX:
        pool_max(one, taps, to);
        break;
//@ end
//@ if band_mean
    case AVERAGE_ROWS:
        average_rows(one, taps[0], to);
        break;
//@ end
//@ if add
    case ADD:
        add(one, taps[0], column_of(state, &tensors[one->other], column), to);
        break;
//@ end
    default:
        summarize(state, one, taps[0], column);
        break;
    }
}

/* Computes the next column of a layer if it can; returns whether it did. */
static int32_t run_layer(model_state *state, int32_t number)
{
    const layer *one = &layers[number];
    int32_t column = state->num_runs[number], index;
    const float *taps[MOST_TAPS];
    float *to = state->scratch;

    if (column == one->num_columns || !find_taps(state, one, column, taps)) {
        return 0;
    }
    if (one->op != SUMMARIZE && !one->pool_step) {
        to = column_of(state, &tensors[one->output], column);
        state->num_columns[one->output] = column + 1;
    }
    operate(state, one, column, taps, to);
    for (index = 0; index < one->num_steps; ++index) {
        apply(&steps[one->first_step + index], to, one->rows, one->channels);
    }
//@ if pooled
    if (one->pool_step) {
        pool(state, one, column);
    }
//@ end
    ++state->num_runs[number];
    return 1;
}

/* Takes the next frame of a window, and computes what can be computed. */
static void add_column(model_state *state, const uint16_t *frame)
{
    float *to = column_of(state, &tensors[0], state->num_columns[0]);
    int32_t band, number, has_run;

    for (band = 0; band < MODEL_N_MELS; ++band) {
        to[band] = (from_half(frame[band]) - input_means[band]) / input_stds[band];
    }
    ++state->num_columns[0];
    do {
        has_run = 0;
        /* From the last layer on, so that a column is used before the next one is computed. */
        for (number = MODEL_NUM_LAYERS - 1; number >= 0; --number) {
            has_run |= run_layer(state, number);
        }
    } while (has_run);
}

/* The embedding and the logits of a window whose last frame was added. */
static void finish_network(model_state *state, float *embedding, float *logits)
{
    const layer *last = &layers[MODEL_NUM_LAYERS - 1];
    int32_t index, output;
//@ if keep_mean
    int32_t row, channel, rows = last->rows, channels = last->channels;

    for (channel = 0; channel < channels; ++channel) {
//@ if keep_bands
        for (row = 0; row < rows; ++row) {
            index = row * channels + channel;
            embedding[channel * rows + row] = state->summary[index] / (float)last->num_columns;
//@ if keep_max
            embedding[channel * rows + row] += state->summary[rows * channels + index];
//@ end
        }
//@ end
//@ if mean_bands
        embedding[channel] = 0.0f;
        for (row = 0; row < rows; ++row) {
            embedding[channel] += state->summary[row * channels + channel];
        }
        embedding[channel] /= (float)(rows * last->num_columns);
//@ end
    }
//@ end
//@ if keep_all
    memcpy(embedding, state->summary, EMBEDDING_VALUES * sizeof *embedding);
    (void)last;
//@ end
    for (output = 0; output < MODEL_NUM_OUTPUTS; ++output) {
        const stored_weight *weights = classifier_weights + output * EMBEDDING_VALUES;
        float sum = 0.0f;
        for (index = 0; index < EMBEDDING_VALUES; ++index) {
            sum += (float)weights[index] * embedding[index];
        }
//@ if int8
        sum *= classifier_scales[output];
//@ end
        logits[output] = sum + classifier_biases[output];
    }
    memset(state->num_columns, 0, sizeof state->num_columns);
    memset(state->num_runs, 0, sizeof state->num_runs);
}
