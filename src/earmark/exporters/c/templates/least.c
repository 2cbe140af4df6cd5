/* The least program that uses a model, to measure its code. */
#include "@name@.h"

static model_state state;
static model_prediction prediction;
static float samples[1];

int main(void)
{
    model_init(&state);
    model_push_samples(&state, samples, 1);
    return (int)model_result(&state, &prediction);
}
