/*
 * unknown-parameter: parameters of MAIL and RCPT whose extension this upstream does not offer, or
 * any after HELO (B-36). Servers answer 555, 501 or 503, and the message is lost for a word.
 *
 * Dropped is what says nothing that the upstream has to keep: SIZE, BODY=7BIT, AUTH=<>. RET and
 * ENVID only shape a delivery report, and without DSN there is none to shape; what RFC 3461 5.2.2
 * asks of who drops them falls due with NOTIFY alone, which stays.
 *
 * Refused here is what must not be sent at all to such an upstream, whether it would take the line
 * or not: an address beyond ASCII with SMTPUTF8 (RFC 6531 3.2), BODY=BINARYMIME, REQUIRETLS
 * (RFC 8689 4.2.1), and NOTIFY=SUCCESS, whose report nobody would write.
 *
 * Everything else goes on and the upstream judges, also BODY=8BITMIME: whether it can be dropped
 * hangs on the content (RFC 6152 3), of which nothing is known yet. Dropping it would send 8-bit
 * content undeclared where the client was ready to send something else; content that comes without
 * it passes as it is (B-37).
 */
#include "mailbox.h"
#include "repairs.h"

enum fate { FATE_STAYS, FATE_DROPPED, FATE_REFUSED };

static const struct plan no_utf8 = {
    .answer_here = true,
    .code = 553,
    .status = SPAN_INIT("5.6.7"), /* RFC 6531 3.5 */
    .words = SPAN_INIT("The relay does not offer SMTPUTF8, and this address needs it")};
static const struct plan no_binary = {.answer_here = true,
                                      .code = 555,
                                      .status = SPAN_INIT("5.5.4"),
                                      .words = SPAN_INIT("The relay does not offer BINARYMIME")};
static const struct plan no_tls = {.answer_here = true,
                                   .code = 550,
                                   .status = SPAN_INIT("5.7.30"), /* RFC 8689 7.2 */
                                   .words = SPAN_INIT("The relay does not offer REQUIRETLS")};
static const struct plan no_report = {
    .answer_here = true,
    .code = 555,
    .status = SPAN_INIT("5.5.4"),
    .words = SPAN_INIT("The relay does not offer DSN, and no success would be reported")};

enum value {
    VALUE_ANY,
    VALUE_SAME, /* as `value` */
    VALUE_LIST, /* a list that has it */
};

struct rule {
    struct span name;
    enum value kind;
    struct span value;
    enum extension extension;
    const struct plan *refusal; /* NULL: dropped */
};

static const struct rule rules[] = {
    {SPAN_INIT("SIZE"), VALUE_ANY, SPAN_INIT(""), EXTENSION_SIZE, NULL},
    {SPAN_INIT("BODY"), VALUE_SAME, SPAN_INIT("7BIT"), EXTENSION_EIGHTBITMIME, NULL},
    {SPAN_INIT("BODY"), VALUE_SAME, SPAN_INIT("BINARYMIME"), EXTENSION_BINARYMIME, &no_binary},
    {SPAN_INIT("AUTH"), VALUE_SAME, SPAN_INIT("<>"), EXTENSION_AUTH, NULL},
    {SPAN_INIT("RET"), VALUE_ANY, SPAN_INIT(""), EXTENSION_DSN, NULL},
    {SPAN_INIT("ENVID"), VALUE_ANY, SPAN_INIT(""), EXTENSION_DSN, NULL},
    {SPAN_INIT("NOTIFY"), VALUE_LIST, SPAN_INIT("SUCCESS"), EXTENSION_DSN, &no_report},
    {SPAN_INIT("SMTPUTF8"), VALUE_ANY, SPAN_INIT(""), EXTENSION_SMTPUTF8, &no_utf8},
    {SPAN_INIT("REQUIRETLS"), VALUE_ANY, SPAN_INIT(""), EXTENSION_REQUIRETLS, &no_tls},
};

static bool list_has(struct span list, struct span word)
{
    while (list.size > 0) {
        size_t end = span_find(list, ',');

        if (span_equal_fold(span_head(list, end), word))
            return true;
        list = span_tail(list, end + 1);
    }
    return false;
}

static bool rule_names(const struct rule *rule, struct span name, struct span value)
{
    if (!span_equal_fold(rule->name, name))
        return false;
    switch (rule->kind) {
    case VALUE_ANY:
        return true;
    case VALUE_SAME:
        return span_equal_fold(rule->value, value);
    case VALUE_LIST:
        return list_has(value, rule->value);
    }
    return false;
}

/* REQUIRETLS is only worth something when it was offered behind TLS (RFC 8689 2). */
static bool offered(const struct view *upstream, enum extension extension)
{
    return capabilities_offer(&upstream->capabilities, extension) &&
           (extension != EXTENSION_REQUIRETLS || upstream->secured);
}

static bool is_ascii(struct span text)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (((unsigned char)text.at[i] & 0x80U) != 0)
            return false;
    }
    return true;
}

static enum fate fate_of(const struct situation *situation, struct span mailbox, struct span name,
                         struct span value, struct plan *plan_r)
{
    size_t i;

    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct rule *rule = &rules[i];

        if (!rule_names(rule, name, value) || offered(situation->upstream, rule->extension))
            continue;
        if (rule->refusal == NULL)
            return FATE_DROPPED;
        if (rule->extension == EXTENSION_SMTPUTF8 && is_ascii(mailbox))
            return FATE_STAYS; /* only the header could need it, and that comes later */
        *plan_r = *rule->refusal;
        return FATE_REFUSED;
    }
    return FATE_STAYS;
}

enum verdict unknown_parameter(const struct situation *situation, struct mended *mended_r)
{
    struct addressed addressed;
    struct span rest, name, value;
    bool dropped = false;

    if (!addressed_parse(situation, &addressed))
        return UNTOUCHED;
    rest = span_tail(addressed.after, 1);
    addressed.after = span_head(addressed.after, 1);
    addressed_with(&addressed, addressed.mailbox, &mended_r->text);
    while (parameter_next(&rest, &name, &value)) {
        size_t size = (size_t)(rest.at - name.at);

        switch (fate_of(situation, addressed.mailbox, name, value, &mended_r->plan)) {
        case FATE_STAYS:
            text_add_byte(&mended_r->text, ' ');
            text_add(&mended_r->text, span_of(name.at, size));
            break;
        case FATE_DROPPED:
            dropped = true;
            break;
        case FATE_REFUSED:
            return BEYOND;
        }
    }
    return dropped ? REPAIRED : UNTOUCHED;
}
