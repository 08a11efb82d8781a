/* The bonds between those who sent an errand and what is under way for them. */
#include "errand.h"

#include "lockstep/base/must.h"

void errands_open(struct errands *errands)
{
    must(uv_mutex_init(&errands->lock) == 0);
}

void errands_close(struct errands *errands)
{
    uv_mutex_destroy(&errands->lock);
}

void trip_begin(struct errands *errands, struct trip *trip, struct errand *errand)
{
    uv_mutex_lock(&errands->lock);
    trip->errand = errand;
    errand->trip = trip;
    uv_mutex_unlock(&errands->lock);
}

bool trip_wanted(struct errands *errands, const struct trip *trip)
{
    bool wanted;

    uv_mutex_lock(&errands->lock);
    wanted = trip->errand != NULL;
    uv_mutex_unlock(&errands->lock);
    return wanted;
}

void trip_end(struct errands *errands, struct trip *trip, const struct outcome *outcome)
{
    struct errand *errand;

    uv_mutex_lock(&errands->lock);
    errand = trip->errand;
    trip->errand = NULL;
    if (errand != NULL) {
        errand->trip = NULL;
        errand->done(errand, outcome);
    }
    uv_mutex_unlock(&errands->lock);
}

void errands_forget(struct errands *errands, struct errand *errand)
{
    uv_mutex_lock(&errands->lock);
    if (errand->trip != NULL)
        errand->trip->errand = NULL;
    errand->trip = NULL;
    uv_mutex_unlock(&errands->lock);
}
