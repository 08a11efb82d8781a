/* The counters in Prometheus' text format, version 0.0.4. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "answer.h"

/* A label's value; of our names only those three bytes would need it, but names come from a file.
 */
static void write_label(FILE *out, const char *name, const char *value)
{
    fprintf(out, "%s=\"", name);
    for (; *value != 0; value++) {
        if (*value == '\n')
            fputs("\\n", out);
        else if (*value == '"' || *value == '\\')
            fprintf(out, "\\%c", *value);
        else
            fputc(*value, out);
    }
    fputc('"', out);
}

static void write_head(FILE *out, const char *name, const char *type, const char *says)
{
    fprintf(out, "# HELP lockstep_%s %s\n# TYPE lockstep_%s %s\n", name, says, name, type);
}

/* "name{listener="a",relay="b"" */
static void write_row(FILE *out, const char *name, const struct tally_row *row)
{
    fprintf(out, "lockstep_%s{", name);
    write_label(out, "listener", row->listener);
    fputc(',', out);
    write_label(out, "relay", row->relay);
}

/* --- sessions --- */

static void write_sessions(FILE *out, const struct counts *counts)
{
    uint32_t i, k;

    write_head(out, "sessions_total", "counter", "Sessions that have ended, by how.");
    for (i = 0; i < counts->row_count; i++) {
        const struct tally_row *row = &counts->rows[i];

        for (k = 0; k < row->ending_count; k++) {
            write_row(out, "sessions_total", row);
            fputc(',', out);
            write_label(out, "ending", row->endings[k].word);
            fprintf(out, "} %" PRIu64 "\n", row->endings[k].sessions);
        }
    }
}

static void write_counters(FILE *out, const struct counts *counts)
{
    static const struct {
        const char *name;
        const char *says;
        size_t offset;
    } rows[] = {
        {"commands_total", "Commands of clients that were answered.",
         offsetof(struct tally_row, commands)},
        {"messages_total", "Messages that relays accepted.", offsetof(struct tally_row, messages)},
        {"messages_refused_total", "Messages that relays refused at their end.",
         offsetof(struct tally_row, refused)},
        {"recipients_total", "Recipients that relays accepted.",
         offsetof(struct tally_row, recipients)},
        {"message_bytes_total", "Bytes of accepted messages.",
         offsetof(struct tally_row, message_bytes)},
        {"repairs_total", "How often something was put right.",
         offsetof(struct tally_row, repairs)},
    };
    size_t i;
    uint32_t k;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_head(out, rows[i].name, "counter", rows[i].says);
        for (k = 0; k < counts->row_count; k++) {
            const char *row = (const char *)&counts->rows[k];

            write_row(out, rows[i].name, &counts->rows[k]);
            fprintf(out, "} %" PRIu64 "\n",
                    *(const uint64_t *)(const void *)(row + rows[i].offset));
        }
    }
}

static void write_repairs(FILE *out, const struct counts *counts)
{
    size_t i;

    write_head(out, "repair_actions_total", "counter",
               "How often each repair put something right, or noticed it in `mode: observe`.");
    for (i = 0; i < REPAIR_COUNT; i++) {
        const char *name = repair_row((enum repair_id)i)->name.at;

        fprintf(out,
                "lockstep_repair_actions_total{repair=\"%s\",outcome=\"repaired\"} %" PRIu64 "\n",
                name, counts->repairs[i].done);
        fprintf(out,
                "lockstep_repair_actions_total{repair=\"%s\",outcome=\"noticed\"} %" PRIu64 "\n",
                name, counts->repairs[i].noticed);
    }
}

/* Clients by why they got no session; `offset` is that of the counts in a row. */
static void write_whys(FILE *out, const struct counts *counts, const char *name, size_t offset)
{
    static const char *const words[REFUSED_COUNT] = {
#define REFUSED_WORD(id, word) [REFUSED_##id] = (word),
        REFUSALS(REFUSED_WORD)
#undef REFUSED_WORD
    };
    uint32_t i, k;

    for (i = 0; i < counts->row_count; i++) {
        uint64_t numbers[REFUSED_COUNT];

        memcpy(numbers, (const char *)&counts->rows[i] + offset, sizeof(numbers));
        for (k = 0; k < REFUSED_COUNT; k++) {
            if (numbers[k] == 0)
                continue;
            fprintf(out, "lockstep_%s{", name);
            write_label(out, "listener", counts->rows[i].listener);
            fputc(',', out);
            write_label(out, "why", words[k]);
            fprintf(out, "} %" PRIu64 "\n", numbers[k]);
        }
    }
}

static void write_refusals(FILE *out, const struct counts *counts)
{
    write_head(out, "clients_refused_total", "counter", "Clients that got no session, by why.");
    write_whys(out, counts, "clients_refused_total", offsetof(struct tally_row, refusals));
    write_head(out, "clients_passed_total", "counter",
               "Clients that passed untouched, by `fail-open`, by why.");
    write_whys(out, counts, "clients_passed_total", offsetof(struct tally_row, passes));
}

/* --- credentials --- */

static double seconds(int64_t ms)
{
    return (double)ms / 1000;
}

static double usable(const struct admin_credential *credential, int64_t now_ms)
{
    (void)now_ms;
    return credential->health == ADMIN_GOOD;
}

static double needs_login(const struct admin_credential *credential, int64_t now_ms)
{
    (void)now_ms;
    return credential->health == ADMIN_LOGIN || credential->barred;
}

static double age(const struct admin_credential *credential, int64_t now_ms)
{
    return credential->came_ms == 0 ? -1 : seconds(now_ms - credential->came_ms);
}

static double expiry(const struct admin_credential *credential, int64_t now_ms)
{
    return credential->ends_ms == 0 ? 0 : seconds(credential->ends_ms - now_ms);
}

static double last_error(const struct admin_credential *credential, int64_t now_ms)
{
    (void)now_ms;
    return seconds(credential->failed_ms);
}

static double renewals(const struct admin_credential *credential, int64_t now_ms)
{
    (void)now_ms;
    return (double)credential->renewals;
}

static double failures(const struct admin_credential *credential, int64_t now_ms)
{
    (void)now_ms;
    return (double)credential->failures;
}

static void write_credentials(FILE *out, const struct snapshot *snapshot)
{
    static const struct {
        const char *name;
        const char *type;
        const char *says;
        bool token; /* only of those that have tokens */
        double (*value)(const struct admin_credential *credential, int64_t now_ms);
    } rows[] = {
        {"credential_usable", "gauge", "1: as far as is known it can be used to log in.", false,
         usable},
        {"credential_needs_login", "gauge", "1: a person must act, soon or now.", true,
         needs_login},
        {"credential_age_seconds", "gauge", "Since its token came; -1: there is none.", true, age},
        {"credential_expiry_seconds", "gauge", "Until its token ends; 0: there is none.", true,
         expiry},
        {"credential_last_error_timestamp_seconds", "gauge",
         "When its token could not be renewed; 0: the last renewal was good.", true, last_error},
        {"credential_renewals_total", "counter", "Tokens that came.", true, renewals},
        {"credential_failures_total", "counter", "Times that none came.", true, failures},
    };
    size_t i, k;

    for (i = 0; snapshot->credential_count > 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_head(out, rows[i].name, rows[i].type, rows[i].says);
        for (k = 0; k < snapshot->credential_count; k++) {
            if (rows[i].token && !snapshot->credentials[k].token)
                continue;
            fprintf(out, "lockstep_%s{", rows[i].name);
            write_label(out, "credential", snapshot->credentials[k].name);
            fprintf(out, "} %.15g\n", rows[i].value(&snapshot->credentials[k], snapshot->now_ms));
        }
    }
}

/* --- limits --- */

static uint64_t held(const struct limits_row *row)
{
    return row->held;
}

static uint64_t late(const struct limits_row *row)
{
    return row->late;
}

static uint64_t waiting(const struct limits_row *row)
{
    return row->waiting;
}

static uint64_t places(const struct limits_row *row)
{
    return row->sessions;
}

static uint64_t queued(const struct limits_row *row)
{
    return row->queued;
}

static uint64_t resting(const struct limits_row *row)
{
    return row->resting;
}

static uint64_t address_failures(const struct limits_row *row)
{
    return row->failures;
}

static void write_limits(FILE *out, const struct snapshot *snapshot)
{
    static const struct {
        const char *name;
        const char *type;
        const char *says;
        bool relays; /* only of those */
        uint64_t (*value)(const struct limits_row *row);
    } rows[] = {
        {"pace_held_total", "counter",
         "Messages that had to wait for a rate, of the relay or of the listener's clients.", false,
         held},
        {"pace_late_total", "counter", "Messages that waited for a rate in vain.", false, late},
        {"pace_waiting", "gauge", "Messages that wait for a rate.", false, waiting},
        {"relay_sessions", "gauge", "Connections to the relay, where their number is limited.",
         true, places},
        {"relay_sessions_waiting", "gauge", "Connections that wait for one to end.", true, queued},
        {"relay_addresses_resting", "gauge", "Addresses of the relay that failed lately.", true,
         resting},
        {"relay_address_failures_total", "counter", "How often one of its addresses failed.", true,
         address_failures},
    };
    size_t i;
    uint32_t k;

    for (i = 0; snapshot->limit_count > 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_head(out, rows[i].name, rows[i].type, rows[i].says);
        for (k = 0; k < snapshot->limit_count; k++) {
            const struct limits_row *row = &snapshot->limits[k];

            if (rows[i].relays && row->listener)
                continue;
            fprintf(out, "lockstep_%s{", rows[i].name);
            write_label(out, row->listener ? "listener" : "relay", row->name);
            fprintf(out, "} %" PRIu64 "\n", rows[i].value(row));
        }
    }
}

void metrics_write(const struct snapshot *snapshot, FILE *out)
{
    write_head(out, "build_info", "gauge", "Which lockstep this is.");
    fputs("lockstep_build_info{", out);
    write_label(out, "version", snapshot->version);
    fputs("} 1\n", out);
    write_sessions(out, snapshot->counts);
    write_counters(out, snapshot->counts);
    write_repairs(out, snapshot->counts);
    write_refusals(out, snapshot->counts);
    write_credentials(out, snapshot);
    write_limits(out, snapshot);
}
