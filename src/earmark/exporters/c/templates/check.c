/* Reads a file of float samples, prints what the model predicts, and writes its frames: for the
 * check of an export. */
#include "@name@.h"

#include <stdio.h>
#include <string.h>

static model_state state;

/* Pushes samples, at most as many as to the next frame, and writes that frame. */
static void push(const float *samples, size_t count, FILE *frames)
{
    uint32_t before = state.num_frames;

    model_push_samples(&state, samples, count);
    for (; before < state.num_frames; ++before) {
        fwrite(state.frames[before % MODEL_WINDOW_FRAMES], sizeof(uint16_t), MODEL_N_MELS, frames);
    }
}

static void print(model_status status, const model_prediction *prediction)
{
    int label;

    printf("{\"state_bytes\": %lu, \"status\": %d, \"label\": %d, \"abstained\": \"%s\", ",
           (unsigned long)sizeof state, (int)status, (int)prediction->label,
           model_reasons[prediction->abstained]);
    printf("\"level_db\": %.9g, \"novelty\": %.9g, \"windows\": %lu, \"probabilities\": [",
           (double)prediction->level_db, (double)prediction->novelty,
           (unsigned long)prediction->num_windows);
    for (label = 0; label < MODEL_NUM_LABELS; ++label) {
        printf("%s%.9g", label ? ", " : "", (double)prediction->probabilities[label]);
    }
    printf("], \"chosen\": [");
    for (label = 0; label < MODEL_NUM_LABELS; ++label) {
        printf("%s%d", label ? ", " : "", (int)prediction->chosen[label]);
    }
    printf("]}\n");
}

int main(int count, char **arguments)
{
    /* Parts of an odd size, so that frames and blocks do not coincide. */
    float samples[157];
    char name[4096];
    model_prediction prediction;
    model_status status;
    uint32_t before;
    size_t number;
    FILE *file, *frames;

    if (count != 2 || strlen(arguments[1]) + 8 > sizeof name) {
        return 2;
    }
    sprintf(name, "%s.frames", arguments[1]);
    file = fopen(arguments[1], "rb");
    frames = fopen(name, "wb");
    if (!file || !frames) {
        return 1;
    }
    model_init(&state);
    while ((number = fread(samples, sizeof *samples, 157, file)) > 0) {
        push(samples, number, frames);
    }
    before = state.num_frames;
    status = model_result(&state, &prediction);
    for (; before < state.num_frames; ++before) {
        fwrite(state.frames[before % MODEL_WINDOW_FRAMES], sizeof(uint16_t), MODEL_N_MELS, frames);
    }
    print(status, &prediction);
    return fclose(file) | fclose(frames);
}
