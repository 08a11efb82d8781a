/* Who may, and how much: words of a listener that contradict each other. */
#include "conflict.h"

static bool holds_all(const struct networks *networks)
{
    static const char *const ends[] = {"0.0.0.0", "255.255.255.255"};
    uint32_t i;

    for (i = 0; i < networks->count; i++) {
        struct networks one = {.count = 1, .rows = {networks->rows[i]}};

        if (networks_hold(&one, span_of_string(ends[0])) &&
            networks_hold(&one, span_of_string(ends[1])))
            return true;
    }
    return false;
}

/* Is it in one of those networks, whole? Networks lie in each other or apart. */
static bool lies_in(const struct network *network, const struct networks *networks)
{
    uint32_t i;
    unsigned bit;

    for (i = 0; i < networks->count; i++) {
        const struct network *other = &networks->rows[i];

        for (bit = 0; bit < other->bits; bit++) {
            unsigned shift = 7 - bit % 8;

            if ((network->bytes[bit / 8] >> shift & 1) != (other->bytes[bit / 8] >> shift & 1))
                break;
        }
        if (bit == other->bits && other->bits <= network->bits)
            return true;
    }
    return false;
}

/* Does `deny` leave nobody of those who are allowed? */
static bool denies_all(const struct config_listener *listener)
{
    uint32_t left = listener->allow.count;
    uint32_t i;

    if (listener->deny.count == 0)
        return false;
    for (i = 0; i < listener->allow.count; i++)
        left -= lies_in(&listener->allow.rows[i], &listener->deny) ? 1U : 0U;
    return holds_all(&listener->deny) || (listener->allow.count > 0 && left == 0);
}

struct span limits_conflict(const struct config *config, const struct config_listener *listener,
                            struct text *error)
{
    bool repairs = listener->policy.mode == MODE_REPAIR;
    bool certificates = listener->policy.certificates.count > 0;

    (void)config;
    if (denies_all(listener))
        return conflict_at(SPAN("deny"), error,
                           SPAN("`deny` leaves nobody who may connect: write smaller networks, or "
                                "`enabled: off`"));
    if (certificates && repairs && listener->proxy_from.count == 0 &&
        listener->tls.client_certificate == CLIENT_CERTIFICATE_NONE)
        return conflict_at(SPAN("certificates"), error,
                           SPAN("no client is asked for a certificate: write `tls: "
                                "{client-certificate: require}`"));
    if (rates_given(&listener->rates) && !repairs)
        return conflict_at(
            SPAN("rates"), error,
            SPAN("`mode: observe` or `fault` holds no message: leave `rates` out, or "
                 "write `mode: repair`"));
    return SPAN("");
}
