/* Reads files of float samples and prints what the model predicts, for the check of an export. */
#include "@name@.h"

#include <stdio.h>

static model_state state;

static int predict(const char *path)
{
    /* Parts of an odd size, so that frames and blocks do not coincide. */
    float samples[997];
    model_prediction prediction;
    model_status status;
    size_t count;
    int label;
    FILE *file = fopen(path, "rb");

    if (!file) {
        return 1;
    }
    model_init(&state);
    while ((count = fread(samples, sizeof *samples, 997, file)) > 0) {
        model_push_samples(&state, samples, count);
    }
    fclose(file);
    status = model_result(&state, &prediction);
    printf("{\"status\": %d, \"label\": %d, \"abstained\": \"%s\", \"level_db\": %.9g, "
           "\"novelty\": %.9g, \"windows\": %lu, \"probabilities\": [", (int)status,
           (int)prediction.label, model_reasons[prediction.abstained],
           (double)prediction.level_db,
           (double)prediction.novelty, (unsigned long)prediction.num_windows);
    for (label = 0; label < MODEL_NUM_LABELS; ++label) {
        printf("%s%.9g", label ? ", " : "", (double)prediction.probabilities[label]);
    }
    printf("], \"chosen\": [");
    for (label = 0; label < MODEL_NUM_LABELS; ++label) {
        printf("%s%d", label ? ", " : "", (int)prediction.chosen[label]);
    }
    printf("]}\n");
    return 0;
}

int main(int count, char **arguments)
{
    int index, status = 0;

    printf("{\"state_bytes\": %lu}\n", (unsigned long)sizeof state);
    for (index = 1; index < count; ++index) {
        status |= predict(arguments[index]);
    }
    return status;
}
