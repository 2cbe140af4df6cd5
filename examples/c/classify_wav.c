/*
 * Reads a wav file and prints the labels that a model gives it.
 *
 *     earmark export speech-music --to c -o model
 *     cc -std=c99 -O2 -Imodel -o classify_wav classify_wav.c model/model.c -lm
 *     ./classify_wav clip.wav
 *
 * The file has 16-bit samples at the rate of the model; several channels become their mean.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static model_state state;

static unsigned long little_endian(const unsigned char *bytes, int count)
{
    unsigned long value = 0;
    while (count-- > 0) {
        value = value << 8 | bytes[count];
    }
    return value;
}

/* Moves to the samples; returns the number of channels, or 0 for a file that is not as above. */
static int read_header(FILE *file, unsigned long *num_bytes)
{
    unsigned char bytes[16];
    int channels = 0;

    if (fread(bytes, 1, 12, file) != 12 || memcmp(bytes, "RIFF", 4) || memcmp(bytes + 8, "WAVE", 4)) {
        return 0;
    }
    while (fread(bytes, 1, 8, file) == 8) {
        unsigned long size = little_endian(bytes + 4, 4);
        if (!memcmp(bytes, "data", 4)) {
            *num_bytes = size;
            return channels;
        }
        if (!memcmp(bytes, "fmt ", 4) && size >= 16) {
            if (fread(bytes, 1, 16, file) != 16 || little_endian(bytes, 2) != 1
                || little_endian(bytes + 4, 4) != MODEL_SAMPLE_RATE
                || little_endian(bytes + 14, 2) != 16) {
                return 0;
            }
            channels = (int)little_endian(bytes + 2, 2);
            size -= 16;
        }
        fseek(file, (long)(size + size % 2), SEEK_CUR);
    }
    return 0;
}

/* Pushes the samples in blocks, as they would come from a microphone. */
static void push_samples(FILE *file, int channels, unsigned long num_bytes)
{
    float block[256];
    unsigned char bytes[2];
    unsigned long left = num_bytes / 2 / (unsigned long)channels;
    size_t count = 0;
    int channel;

    for (; left > 0; --left) {
        float sum = 0.0f;
        for (channel = 0; channel < channels; ++channel) {
            if (fread(bytes, 1, 2, file) != 2) {
                model_push_samples(&state, block, count);
                return;
            }
            sum += (float)(int16_t)little_endian(bytes, 2) / 32768.0f;
        }
        block[count++] = sum / (float)channels;
        if (count == sizeof block / sizeof block[0] || left == 1) {
            model_push_samples(&state, block, count);
            count = 0;
        }
    }
}

static void print(const model_prediction *prediction)
{
    int label;

    if (prediction->label >= 0) {
        printf("%s\n", model_labels[prediction->label]);
    } else {
        printf("no label: %s\n", model_reasons[prediction->abstained]);
    }
    for (label = 0; label < MODEL_NUM_LABELS; ++label) {
        printf("  %.6f %s\n", (double)prediction->probabilities[label], model_labels[label]);
    }
}

int main(int count, char **arguments)
{
    model_prediction prediction;
    unsigned long num_bytes = 0;
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    int channels = file ? read_header(file, &num_bytes) : 0;

    if (!channels) {
        fprintf(stderr, "give a wav file with 16-bit samples at %d Hz\n", MODEL_SAMPLE_RATE);
        return EXIT_FAILURE;
    }
    model_init(&state);
    push_samples(file, channels, num_bytes);
    fclose(file);
    if (model_result(&state, &prediction) != MODEL_OK) {
        fprintf(stderr, "too short, or damaged\n");
        return EXIT_FAILURE;
    }
    print(&prediction);
    return EXIT_SUCCESS;
}
