/* Lists: addresses, networks, fingerprints, faults. Each struct begins with its count. */
#include "list.h"

#include <string.h>

#include "address.h"
#include "value.h"

#define FINGERPRINT_DIGITS 64U /* of a SHA-256 */

struct list_facts {
    uint32_t max;
    const char *entries;
    /* Entry `number` of the list, from text and as text. */
    bool (*read)(void *list, uint32_t number, struct span value, struct text *advice);
    void (*show)(const void *list, uint32_t number, struct text *out);
};

static bool read_listen(void *list, uint32_t number, struct span value, struct text *advice)
{
    struct config_addresses *addresses = list;

    return address_listen(value, &addresses->rows[number], advice);
}

static void show_listen(const void *list, uint32_t number, struct text *out)
{
    const struct config_addresses *addresses = list;

    address_show(&addresses->rows[number], out);
}

static bool read_connect(void *list, uint32_t number, struct span value, struct text *advice)
{
    struct config_addresses *addresses = list;
    struct config_address address;
    enum config_scheme scheme;

    if (!address_connect(value, &scheme, &address, advice))
        return false;
    if (number > 0 && scheme != addresses->scheme) {
        text_add(advice, address_scheme(addresses->scheme));
        text_add(advice, SPAN(" as in front of the first, or make it a relay of its own"));
        return false;
    }
    addresses->scheme = scheme;
    addresses->rows[number] = address;
    return true;
}

static void show_connect(const void *list, uint32_t number, struct text *out)
{
    const struct config_addresses *addresses = list;

    text_add(out, address_scheme(addresses->scheme));
    address_show(&addresses->rows[number], out);
}

static bool read_network(void *list, uint32_t number, struct span value, struct text *advice)
{
    struct networks *networks = list;

    return network_parse(value, &networks->rows[number], advice);
}

static void show_network(const void *list, uint32_t number, struct text *out)
{
    const struct networks *networks = list;

    network_show(&networks->rows[number], out);
}

/* A port that stands twice is caught twice, which no rule can mean. */
static bool read_port(void *list, uint32_t number, struct span value, struct text *advice)
{
    struct config_ports *ports = list;
    uint64_t port;
    uint32_t i;

    if (!span_number(value, &port) || port == 0 || port > UINT16_MAX) {
        text_add(advice, SPAN("a port, from 1 to 65535"));
        return false;
    }
    for (i = 0; i < number; i++) {
        if (ports->rows[i] == port) {
            text_add(advice, SPAN("each port once"));
            return false;
        }
    }
    ports->rows[number] = (uint16_t)port;
    return true;
}

static void show_port(const void *list, uint32_t number, struct text *out)
{
    const struct config_ports *ports = list;

    text_add_number(out, ports->rows[number]);
}

static bool read_pattern(void *list, uint32_t number, struct span value, struct text *advice)
{
    struct patterns *patterns = list;

    if (!value_is_pattern(value)) {
        text_add(advice, SPAN("a name such as scanner-*.example, in which * stands for any"));
        return false;
    }
    patterns->rows[number] = value;
    return true;
}

static void show_pattern(const void *list, uint32_t number, struct text *out)
{
    const struct patterns *patterns = list;

    text_add(out, patterns->rows[number]);
}

static bool is_hex(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
           (byte >= 'A' && byte <= 'F');
}

static bool read_fingerprint(void *list, uint32_t number, struct span value, struct text *advice)
{
    struct config_fingerprints *fingerprints = list;
    size_t digits = 0, i;

    for (i = 0; i < value.size && (is_hex(value.at[i]) || value.at[i] == ':'); i++)
        digits += value.at[i] != ':';
    if (i < value.size || digits != FINGERPRINT_DIGITS || value.size >= 2 * FINGERPRINT_DIGITS) {
        text_add(advice, SPAN("64 hexadecimal digits, as `openssl x509 -noout -fingerprint "
                              "-sha256` prints them"));
        return false;
    }
    fingerprints->rows[number] = value;
    return true;
}

static void show_fingerprint(const void *list, uint32_t number, struct text *out)
{
    const struct config_fingerprints *fingerprints = list;

    text_add(out, fingerprints->rows[number]);
}

static bool read_fault(void *list, uint32_t number, struct span value, struct text *advice)
{
    (void)number;
    return fault_add(list, value, advice);
}

static void show_fault(const void *list, uint32_t number, struct text *out)
{
    const struct faults *faults = list;

    text_add(out, faults->entries[number]);
}

static const struct list_facts facts[] = {
    [TYPE_LISTEN] = {CONFIG_ADDRESSES_MAX, " addresses", read_listen, show_listen},
    [TYPE_CONNECT] = {CONFIG_ADDRESSES_MAX, " addresses", read_connect, show_connect},
    [TYPE_NETWORKS] = {NETWORKS_MAX, " networks", read_network, show_network},
    [TYPE_PORTS] = {CONFIG_PORTS_MAX, " ports", read_port, show_port},
    [TYPE_PATTERNS] = {PATTERNS_MAX, " names", read_pattern, show_pattern},
    [TYPE_FINGERPRINTS] = {CONFIG_FINGERPRINTS_MAX, " fingerprints", read_fingerprint,
                           show_fingerprint},
    [TYPE_FAULTS] = {FAULT_ENTRIES_MAX, " faults", read_fault, show_fault},
};

static uint32_t count_load(const void *field)
{
    uint32_t count;

    memcpy(&count, field, sizeof(count));
    return count;
}

bool list_set(const struct row *row, void *field, struct span value, struct text *advice)
{
    uint32_t count = count_load(field);

    if (count == facts[row->type].max) {
        text_add(advice, SPAN("at most "));
        text_add_number(advice, count);
        text_add(advice, span_of_string(facts[row->type].entries));
        return false;
    }
    if (!facts[row->type].read(field, count, value, advice))
        return false;
    count++;
    memcpy(field, &count, sizeof(count));
    return true;
}

bool list_empty(const struct row *row, const void *field)
{
    (void)row;
    return count_load(field) == 0;
}

bool list_entry(const struct row *row, const void *field, uint32_t number, struct text *out)
{
    if (number >= count_load(field))
        return false;
    facts[row->type].show(field, number, out);
    return true;
}
