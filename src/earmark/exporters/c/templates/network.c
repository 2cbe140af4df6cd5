/* ---- Network: frames to logits ---- */

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
