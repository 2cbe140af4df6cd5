@comment@
#include "@name@.h"

#include <math.h>
#include <string.h>

#define WINDOW_LENGTH @win_length@
#define WINDOW_FIRST @window_first@
#define HOP_LENGTH @hop_length@
/* Frames from the start of one window to that of the next. */
#define WINDOW_STEP @window_step@
#define EMBEDDING_VALUES @embedding_values@
/* Columns of the longest kernel. */
#define MOST_TAPS @most_taps@

#define TEMPERATURE @temperature@
#define MIN_PROBABILITY @min_probability@
/* Below this mean square the loudest frame is silent. */
#define SILENCE_POWER @silence_power@
//@ if silence_label
#define SILENCE_LABEL @silence_label@
//@ end
//@ if background
#define BACKGROUND @background@
//@ end
//@ if novelty
#define MAX_NOVELTY @max_novelty@
#define NOVELTY_DIRECTIONS @novelty_directions@
#define NOVELTY_CENTERS @novelty_centers@
#define NOVELTY_REST @novelty_rest@
//@ end
//@ if weighted
/* What a window counts that is less certain than another one. */
#define weight_below(difference) @weight_below@
//@ end

const char *const model_labels[MODEL_NUM_LABELS] = {@labels@};

const char *const model_reasons[5] = {"decided", "silence", "unlike_training", "unsure",
                                      "background"};

typedef @weight_type@ stored_weight;

typedef enum {
    CONVOLVE,
    CONVOLVE_DEPTHWISE,
    POOL_MAX,
    AVERAGE_ROWS,
    ADD,
    SUMMARIZE
} operator_kind;

typedef enum { RELU, SILU, SCALE } step_kind;

/* Columns of `rows` by `channels` values, in a ring of so many columns of the window. */
typedef struct {
    int32_t first, columns, above, height, rows, channels, length;
} tensor;

typedef struct {
    step_kind kind;
    int32_t rows; /* Neighbouring rows with the same factors. */
    const float *factors, *offsets;
} step;

typedef struct {
    operator_kind op;
    int32_t input, other, output;
    int32_t rows, channels, num_columns; /* Of the result, before pooling. */
    int32_t kernel_rows, stride_rows, dilation_rows, run_rows, above;
    int32_t kernel_columns, stride_columns, dilation_columns, before;
    int32_t pool_rows, pool_row_step, pool_columns, pool_step; /* The last is 0: no pooling. */
    int32_t first_step, num_steps;
    const stored_weight *weights;
    const float *biases;
//@ if int8
    const float *scales;
//@ end
} layer;

@tables@

//@ if convolution
static float scaled(const layer *one, int32_t channel, float sum)
{
//@ if int8
    return sum * one->scales[channel] + one->biases[channel];
//@ end
//@ if float32
    return sum + one->biases[channel];
//@ end
}

//@ end
