/*
@comment@
 *
 * In [-1, 1] and mono at MODEL_SAMPLE_RATE, samples become the labels of a clip:
 *
 *     static model_state state;
 *     model_prediction prediction;
 *
 *     model_init(&state);
 *     model_push_samples(&state, samples, num_samples);    as often as there are samples
 *     model_result(&state, &prediction);                   then model_init for the next clip
 *
 * A state is one clip; several may be used at once. Nothing is allocated, and no other memory
 * than the state and a small stack is written.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MODEL_SAMPLE_RATE @sample_rate@
#define MODEL_NUM_LABELS @num_labels@
/* A clip needs so many samples. */
#define MODEL_LEAST_SAMPLES @least_samples@

/* Sizes inside the state. */
#define MODEL_N_FFT @n_fft@
#define MODEL_N_MELS @n_mels@
#define MODEL_WINDOW_FRAMES @window_frames@
#define MODEL_NUM_OUTPUTS @num_outputs@
#define MODEL_NUM_LAYERS @num_layers@
#define MODEL_NUM_TENSORS @num_tensors@
#define MODEL_COLUMN_VALUES @column_values@
#define MODEL_SUMMARY_VALUES @summary_values@
#define MODEL_SCRATCH_VALUES @scratch_values@

/* Why a prediction has no label. */
typedef enum {
    MODEL_DECIDED,         /* It has, or in a multi-label task none is the decision. */
    MODEL_SILENCE,         /* The loudest frame is below the level of silence. */
    MODEL_UNLIKE_TRAINING, /* The sound is unlike that of training. */
    MODEL_UNSURE,          /* No label is probable enough. */
    MODEL_BACKGROUND       /* It is the background that the model was trained against. */
} model_reason;

typedef enum {
    MODEL_OK,
    MODEL_TOO_SHORT, /* Fewer than MODEL_LEAST_SAMPLES; there is no prediction. */
    MODEL_NOT_FINITE /* A sample was infinite or not a number; there is no prediction. */
} model_status;

typedef struct {
    float probabilities[MODEL_NUM_LABELS]; /* Calibrated; in the order of model_labels. */
    uint8_t chosen[MODEL_NUM_LABELS];      /* 1 for each predicted label. */
    int32_t label;                         /* The most probable of those; -1 if there is none. */
    model_reason abstained;
    float level_db;                        /* Of the loudest frame, in dB of full scale. */
    float novelty;                         /* How unlike training; 0 if the model has no score. */
    uint32_t num_windows;                  /* Windows of the clip that were pooled. */
} model_prediction;

typedef struct {
    /* Front end: the last samples, and the last frames in half precision, both as rings. */
    float samples[MODEL_N_FFT];
    uint16_t frames[MODEL_WINDOW_FRAMES][MODEL_N_MELS];
    uint32_t next_sample, until_frame, missing_samples, num_frames;
    float peak_power;
    /* Windows: where the present one starts, and how many of the clip are done. */
    uint32_t window_start, num_windows;
    /* Network: the last columns of its tensors. */
    float columns[MODEL_COLUMN_VALUES];
    float summary[MODEL_SUMMARY_VALUES];
    int32_t num_columns[MODEL_NUM_TENSORS], num_runs[MODEL_NUM_LAYERS];
    float scratch[MODEL_SCRATCH_VALUES];
    /* Pooling over windows. */
    float logits[MODEL_NUM_OUTPUTS], weights[MODEL_NUM_OUTPUTS], confidence[MODEL_NUM_OUTPUTS];
    float novelty;
} model_state;

extern const char *const model_labels[MODEL_NUM_LABELS];
/* Names of model_reason. */
extern const char *const model_reasons[5];

/* Starts a clip. */
void model_init(model_state *state);

/* Takes the next samples of the clip; any number. */
void model_push_samples(model_state *state, const float *samples, size_t num_samples);

/* Ends the clip and gives the prediction; call model_init before the next one. */
model_status model_result(model_state *state, model_prediction *prediction);

#ifdef __cplusplus
}
#endif

#endif
