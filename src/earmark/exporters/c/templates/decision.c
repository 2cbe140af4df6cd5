/* ---- Decision: windows to the labels of their clip ---- */

//@ if novelty
/* How unlike training a window is; the embedding is overwritten. */
static float score_novelty(float *embedding, const float *logits)
{
    float along[NOVELTY_DIRECTIONS + 1], nearest = HUGE_VALF, distance, doubt;
    const float *center = novelty_centers, *place = novelty_places;
    int32_t number, index;

    for (index = 0; index < EMBEDDING_VALUES; ++index) {
        embedding[index] -= novelty_shift[index];
    }
    for (number = 0; number < NOVELTY_DIRECTIONS; ++number) {
        const float *direction = novelty_directions + number * EMBEDDING_VALUES;
        along[number] = 0.0f;
        for (index = 0; index < EMBEDDING_VALUES; ++index) {
            along[number] += direction[index] * embedding[index];
        }
        for (index = 0; index < EMBEDDING_VALUES; ++index) {
            embedding[index] -= direction[index] * along[number];
        }
    }
    for (number = 0; number < NOVELTY_CENTERS; ++number) {
        distance = 0.0f;
        for (index = 0; index < EMBEDDING_VALUES; ++index, ++center) {
            distance += (embedding[index] - *center) * (embedding[index] - *center);
        }
        distance *= NOVELTY_REST;
        for (index = 0; index < NOVELTY_DIRECTIONS; ++index, ++place) {
            distance += novelty_factors[index] * (along[index] - *place) * (along[index] - *place);
        }
        distance *= novelty_weights[number];
        nearest = distance < nearest ? distance : nearest;
    }
//@ if multi_class
    doubt = -HUGE_VALF;
    for (index = 0; index < MODEL_NUM_OUTPUTS; ++index) {
        doubt = logits[index] > doubt ? logits[index] : doubt;
    }
//@ end
//@ if not_multi_class
    doubt = 0.0f;
    for (index = 0; index < MODEL_NUM_OUTPUTS; ++index) {
        doubt += fabsf(logits[index]) / (float)MODEL_NUM_OUTPUTS;
    }
//@ end
    distance = (sqrtf(nearest) - novelty_usual[0]) / novelty_usual[1];
    doubt = (-doubt - novelty_usual[2]) / novelty_usual[3];
    return distance + (doubt > -2.0f ? doubt : -2.0f);
}

//@ end
//@ if weighted
/* How certain the logits of a window are, by which it counts. */
static void find_confidence(const float *logits, float *confidence)
{
    int32_t index;
//@ if multi_class
    float others = 0.0f, second = -HUGE_VALF, certain;
    int32_t best = 0;

    for (index = 1; index < MODEL_NUM_OUTPUTS; ++index) {
        best = logits[index] > logits[best] ? index : best;
    }
    for (index = 0; index < MODEL_NUM_OUTPUTS; ++index) {
        second = index != best && logits[index] > second ? logits[index] : second;
    }
    for (index = 0; index < MODEL_NUM_OUTPUTS; ++index) {
        others += index != best ? expf(logits[index] - second) : 0.0f;
    }
    certain = logits[best] - second - logf(others);
    for (index = 0; index < MODEL_NUM_OUTPUTS; ++index) {
        /* The logarithm of 1e12, as in Python. */
        confidence[index] = certain < 27.63102f ? certain : 27.63102f;
    }
//@ end
//@ if binary
    for (index = 0; index < MODEL_NUM_OUTPUTS; ++index) {
        confidence[index] = fabsf(logits[index]);
    }
//@ end
//@ if multi_label
    for (index = 0; index < MODEL_NUM_OUTPUTS; ++index) {
        confidence[index] = logits[index];
    }
//@ end
}

//@ end
/* Adds the logits of a window to those of the clip, as means that are always up to date. */
static void pool_window(model_state *state, const float *logits)
{
    int32_t index;
//@ if weighted
    float confidence[MODEL_NUM_OUTPUTS];

    find_confidence(logits, confidence);
//@ end
    for (index = 0; index < MODEL_NUM_OUTPUTS; ++index) {
        float weight = 1.0f;
//@ if weighted
        float beyond = confidence[index] - state->confidence[index];
        if (state->num_windows == 0 || beyond > 0.0f) {
            state->weights[index] *= state->num_windows == 0 ? 0.0f : weight_below(-beyond);
            state->confidence[index] = confidence[index];
        } else {
            weight = weight_below(beyond);
        }
//@ end
        state->weights[index] += weight;
        state->logits[index] += weight * (logits[index] - state->logits[index])
                                / state->weights[index];
    }
}

/* Ends the window whose frames were all added. */
static void finish_window(model_state *state)
{
    float *embedding = state->scratch, logits[MODEL_NUM_OUTPUTS];

    finish_network(state, embedding, logits);
    pool_window(state, logits);
    ++state->num_windows;
//@ if novelty
    state->novelty += (score_novelty(embedding, logits) - state->novelty)
                      / (float)state->num_windows;
//@ end
}

/* Calibrated probabilities of the labels, from the logits of the clip. */
static void find_probabilities(const float *logits, float *probabilities)
{
//@ if binary
    probabilities[1] = 1.0f / (1.0f + expf(-logits[0] / TEMPERATURE));
    probabilities[0] = 1.0f - probabilities[1];
//@ end
//@ if multi_label
    int32_t index;

    for (index = 0; index < MODEL_NUM_LABELS; ++index) {
        probabilities[index] = 1.0f / (1.0f + expf(-logits[index] / TEMPERATURE));
    }
//@ end
//@ if multi_class
    float largest = logits[0], sum = 0.0f;
    int32_t index;

    for (index = 1; index < MODEL_NUM_LABELS; ++index) {
        largest = logits[index] > largest ? logits[index] : largest;
    }
    for (index = 0; index < MODEL_NUM_LABELS; ++index) {
        probabilities[index] = expf((logits[index] - largest) / TEMPERATURE);
        sum += probabilities[index];
    }
    for (index = 0; index < MODEL_NUM_LABELS; ++index) {
        probabilities[index] /= sum;
    }
//@ end
}

/* Chooses labels by their thresholds; returns how many. */
static int32_t choose(const float *probabilities, uint8_t *chosen)
{
    int32_t index, count = 0;
//@ if binary
    chosen[1] = probabilities[1] >= thresholds[0];
    chosen[0] = !chosen[1];
//@ end
//@ if multi_class
    int32_t best = 0;

    for (index = 1; index < MODEL_NUM_LABELS; ++index) {
        best = probabilities[index] > probabilities[best] ? index : best;
    }
    for (index = 0; index < MODEL_NUM_LABELS; ++index) {
        chosen[index] = index == best;
    }
//@ end
//@ if multi_label
    for (index = 0; index < MODEL_NUM_LABELS; ++index) {
        chosen[index] = probabilities[index] >= thresholds[index];
    }
//@ end
    for (index = 0; index < MODEL_NUM_LABELS; ++index) {
        count += chosen[index];
    }
    return count;
}

/* Drops the labels that are not probable enough; returns how many are left. */
static int32_t drop_doubtful(model_prediction *prediction)
{
    int32_t index, count = 0;

    for (index = 0; index < MODEL_NUM_LABELS; ++index) {
        if (prediction->probabilities[index] < MIN_PROBABILITY) {
            prediction->chosen[index] = 0;
        }
        count += prediction->chosen[index];
    }
    return count;
}

/* The labels of the clip, or why there is none; everything but labels is filled in. */
static void decide(model_prediction *prediction, float peak_power)
{
    int32_t is_silent = peak_power < SILENCE_POWER, num_chosen, num_kept, index;
    model_reason reason = MODEL_DECIDED;

//@ if novelty
    if (prediction->novelty > MAX_NOVELTY && !is_silent) {
        reason = MODEL_UNLIKE_TRAINING;
    }
//@ end
//@ if silence_label
    for (index = 0; is_silent && index < MODEL_NUM_LABELS; ++index) {
        prediction->probabilities[index] = index == SILENCE_LABEL ? 1.0f : 0.0f;
    }
    is_silent = 0;
//@ end
    reason = is_silent ? MODEL_SILENCE : reason;
    num_chosen = choose(prediction->probabilities, prediction->chosen);
    num_kept = drop_doubtful(prediction);
    if (reason == MODEL_DECIDED && num_chosen && !num_kept) {
        reason = MODEL_UNSURE;
    }
//@ if background
    if (reason == MODEL_DECIDED && prediction->chosen[BACKGROUND]) {
        reason = MODEL_BACKGROUND;
    }
    prediction->chosen[BACKGROUND] = 0;
//@ end
    prediction->abstained = reason;
    prediction->label = -1;
    for (index = 0; index < MODEL_NUM_LABELS; ++index) {
        if (reason == MODEL_SILENCE || reason == MODEL_UNLIKE_TRAINING) {
            prediction->chosen[index] = 0;
        }
        if (prediction->chosen[index]
            && (prediction->label < 0
                || prediction->probabilities[index]
                       > prediction->probabilities[prediction->label])) {
            prediction->label = index;
        }
    }
}

/* ---- The three functions ---- */

/* Adds the frames of a window that are there and were not added yet. */
static void add_frames(model_state *state)
{
    for (;;) {
        uint32_t next = state->window_start + (uint32_t)state->num_columns[0];
        if (next >= state->num_frames) {
            return;
        }
        add_column(state, state->frames[next % MODEL_WINDOW_FRAMES]);
        if (state->num_columns[0] == MODEL_WINDOW_FRAMES) {
            finish_window(state);
            state->window_start += WINDOW_STEP;
        }
    }
}

/* The last window, where the end of the clip needs one more. */
static void finish_clip(model_state *state)
{
    uint32_t length = state->num_frames < MODEL_WINDOW_FRAMES ? state->num_frames
                                                              : MODEL_WINDOW_FRAMES;
    uint32_t start = state->num_frames - length, num_added = (uint32_t)state->num_columns[0];

    if (state->num_windows > 0 && start == state->window_start - WINDOW_STEP) {
        return;
    }
    if (start != state->window_start) {
        memset(state->num_columns, 0, sizeof state->num_columns);
        memset(state->num_runs, 0, sizeof state->num_runs);
        num_added = 0;
    }
    /* A clip that is shorter than a window is repeated. */
    for (; num_added < MODEL_WINDOW_FRAMES; ++num_added) {
        add_column(state, state->frames[(start + num_added % length) % MODEL_WINDOW_FRAMES]);
    }
    finish_window(state);
}

/* Takes samples, or silence where there are none. */
static void push(model_state *state, const float *samples, size_t num_samples)
{
    while (num_samples > 0) {
        size_t count = MODEL_N_FFT - state->next_sample;
        count = count < state->until_frame ? count : state->until_frame;
        count = count < num_samples ? count : num_samples;
        if (samples) {
            memcpy(state->samples + state->next_sample, samples, count * sizeof *samples);
            samples += count;
        } else {
            memset(state->samples + state->next_sample, 0, count * sizeof *samples);
        }
        num_samples -= count;
        state->next_sample = (state->next_sample + (uint32_t)count) % MODEL_N_FFT;
        state->until_frame -= (uint32_t)count;
        if (state->until_frame == 0) {
            state->until_frame = HOP_LENGTH;
            add_frame(state);
            add_frames(state);
        }
    }
}

void model_init(model_state *state)
{
    memset(state, 0, sizeof *state);
    /* The first frame is centred on the first sample, with silence before it. */
    state->until_frame = MODEL_N_FFT - MODEL_N_FFT / 2;
    state->missing_samples = MODEL_LEAST_SAMPLES;
}

void model_push_samples(model_state *state, const float *samples, size_t num_samples)
{
    state->missing_samples -= (uint32_t)(num_samples < state->missing_samples
                                             ? num_samples : state->missing_samples);
    push(state, samples, num_samples);
}

model_status model_result(model_state *state, model_prediction *prediction)
{
    int32_t index, is_finite;

    memset(prediction, 0, sizeof *prediction);
    prediction->label = -1;
    if (state->missing_samples > 0) {
        return MODEL_TOO_SHORT;
    }
    push(state, NULL, MODEL_N_FFT / 2);
    finish_clip(state);
    /* Not finite: the difference is not a number. A network may hide that, the level does not. */
    is_finite = state->peak_power - state->peak_power == 0.0f;
    for (index = 0; index < MODEL_NUM_OUTPUTS; ++index) {
        is_finite = is_finite && state->logits[index] - state->logits[index] == 0.0f;
    }
    if (!is_finite) {
        return MODEL_NOT_FINITE;
    }
    prediction->num_windows = state->num_windows;
    prediction->novelty = state->novelty;
    prediction->level_db = 10.0f * log10f(state->peak_power > 1e-20f ? state->peak_power : 1e-20f);
    find_probabilities(state->logits, prediction->probabilities);
    decide(prediction, state->peak_power);
    return MODEL_OK;
}
