/*
 * Classifies sound on a board, or in QEMU, and counts instructions and stack.
 *
 * The samples come from the file clip.f32 of the host by semihosting; on a real board they come from
 * a microphone, in the same blocks.
 */
#include "model.h"

#include <stdint.h>
#include <stdio.h>

#define BLOCK 256
#define STACK_BYTES 16384u
#define PAINT 0xA5A5A5A5u

static volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010u;
static model_state state;
static uint64_t ticks;
static uint32_t most_ticks;

extern uint32_t stack_top[];

static void start_timer(void)
{
    systick[1] = 0xFFFFFFu;
    systick[2] = 0;
    systick[0] = 5;
}

/* Ticks since start_timer; fewer than 2^24. */
static void stop_timer(void)
{
    uint32_t passed = 0xFFFFFFu - systick[2];

    ticks += passed;
    most_ticks = passed > most_ticks ? passed : most_ticks;
}

/* What the timer counts in two million instructions. */
static void calibrate(unsigned long *calibration)
{
    uint32_t count = 1000000u;

    start_timer();
    __asm__ volatile("1: subs %0, %0, #1\n\tbne 1b" : "+r"(count) : : "cc");
    stop_timer();
    *calibration = (unsigned long)ticks;
    ticks = 0;
    most_ticks = 0;
}

static void paint_stack(void)
{
    volatile uint32_t mark, *place = stack_top - STACK_BYTES / 4;

    for (; place < &mark - 16; ++place) {
        *place = PAINT;
    }
}

/* The most that the stack has held. */
static unsigned long stack_bytes(void)
{
    const uint32_t *place = stack_top - STACK_BYTES / 4;

    while (*place == PAINT) {
        ++place;
    }
    return (unsigned long)((const char *)stack_top - (const char *)place);
}

int main(void)
{
    static float block[BLOCK];
    model_prediction prediction;
    model_status status;
    unsigned long num_samples = 0, calibration, stack, longest, before;
    size_t count;
    int label;
    FILE *file = fopen("clip.f32", "rb");

    if (!file) {
        return 1;
    }
    calibrate(&calibration);
    model_init(&state);
    while ((count = fread(block, sizeof *block, BLOCK, file)) > 0) {
        start_timer();
        model_push_samples(&state, block, count);
        stop_timer();
        num_samples += count;
    }
    longest = (unsigned long)most_ticks;
    before = (unsigned long)ticks;
    /* The library has used the stack for the file. The end of a clip runs all of the model. */
    paint_stack();
    start_timer();
    status = model_result(&state, &prediction);
    stop_timer();
    stack = stack_bytes();
    printf("{\"status\": %d, \"samples\": %lu, \"ticks_of_two_million\": %lu, \"ticks\": %lu, "
           "\"longest_push_ticks\": %lu, \"result_ticks\": %lu, \"stack_bytes\": %lu, \"probabilities\": [", (int)status,
           num_samples, calibration, (unsigned long)ticks, longest,
           (unsigned long)ticks - before, stack);
    for (label = 0; label < MODEL_NUM_LABELS; ++label) {
        printf("%s%.9g", label ? ", " : "", (double)prediction.probabilities[label]);
    }
    printf("], \"label\": %d}\n", (int)prediction.label);
    return 0;
}
