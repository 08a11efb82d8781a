/* Written after HAProxy's description of the protocol, "The PROXY protocol", sections 2.1 and 2.2.
 */
#include "lockstep/smtp/proxy_header.h"

#include <string.h>

#define WORD SPAN("PROXY ")
#define SIGNATURE SPAN("\r\n\r\n\0\r\nQUIT\n")
#define FIXED_BYTES 16U /* signature, version and command, family, length */
#define FOUR_BYTES 12U  /* of two IPv4 addresses with ports */
#define SIX_BYTES 36U
#define UNIX_BYTES 216U
#define TLV_BYTES 3U /* in front of a value */
#define SSL_BYTES 5U /* in front of the values in the value */
#define CHECKSUM_BYTES 4U

enum { VERSION_2 = 2, COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };
enum { FAMILY_UNSPEC = 0, TCP_FOUR = 0x11, TCP_SIX = 0x21, UNIX_STREAM = 0x31 };
enum { TYPE_CHECKSUM = 0x03, TYPE_SSL = 0x20, TYPE_SSL_VERSION = 0x21, TYPE_SSL_NAME = 0x22 };
enum { SSL_SPOKEN = 1, SSL_CERTIFICATE = 2 | 4 }; /* on this connection, or in this TLS session */

struct tlv {
    unsigned type;
    struct span value;
};

static enum parsed bad(struct proxy_header *header, const char *wrong)
{
    header->wrong = wrong;
    return PARSED_BAD;
}

static unsigned byte_at(struct span bytes, size_t at)
{
    return (unsigned char)bytes.at[at];
}

static unsigned short_at(struct span bytes, size_t at)
{
    return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

static uint32_t long_at(struct span bytes, size_t at)
{
    return (uint32_t)short_at(bytes, at) << 16 | short_at(bytes, at + 2);
}

/* --- version 1 --- */

/* The next field of a line in which one blank stands between two. */
static struct span next_field(struct span *rest)
{
    struct span field = span_head(*rest, span_find(*rest, ' '));

    *rest = span_tail(*rest, field.size + 1);
    return field;
}

static bool read_port(struct span text, uint16_t *port_r)
{
    uint64_t number;

    if (text.size > 5 || (text.size > 1 && text.at[0] == '0') || !span_number(text, &number) ||
        number > UINT16_MAX)
        return false;
    *port_r = (uint16_t)number;
    return true;
}

static bool read_ip(struct span text, bool six, uint8_t bytes_r[16])
{
    return six == (span_find(text, ':') < text.size) && ip_read(text, bytes_r);
}

static enum parsed read_line(struct span line, struct proxy_header *header)
{
    struct span family = next_field(&line);
    bool six = span_equal(family, SPAN("TCP6"));
    struct span fields[4];
    size_t i;

    header->whose = PROXY_OF_NOBODY;
    if (span_equal(family, SPAN("UNKNOWN")))
        return PARSED; /* what stands behind it is not to be read */
    if (!six && !span_equal(family, SPAN("TCP4")))
        return bad(header, "it names neither TCP4 nor TCP6 nor UNKNOWN");
    for (i = 0; i < 4; i++)
        fields[i] = next_field(&line);
    if (line.size > 0 || !read_ip(fields[0], six, header->client.ip) ||
        !read_ip(fields[1], six, header->server.ip))
        return bad(header, "its addresses can't be read");
    if (!read_port(fields[2], &header->client.port) || !read_port(fields[3], &header->server.port))
        return bad(header, "its ports can't be read");
    header->whose = PROXY_OF_CLIENT;
    return PARSED;
}

static enum parsed parse_line(struct span input, struct proxy_header *header)
{
    struct span line = span_head(input, PROXY_LINE_BYTES_MAX);
    size_t end = span_find(line, '\n');

    header->version = PROXY_V1;
    if (end == line.size)
        return line.size < PROXY_LINE_BYTES_MAX ? PARSED_MORE
                                                : bad(header, "its line is longer than 107 bytes");
    if (line.at[end - 1] != '\r')
        return bad(header, "its line ends without CR");
    header->taken = end + 1;
    line = span_head(line, end - 1);
    return read_line(span_tail(line, WORD.size), header);
}

/* --- version 2: what stands behind the addresses --- */

/* Takes the next one off; false: there is none, and `*rest` is empty if all were whole. */
static bool next_tlv(struct span *rest, struct tlv *tlv_r)
{
    size_t size;

    if (rest->size < TLV_BYTES)
        return false;
    size = short_at(*rest, 1);
    if (size > rest->size - TLV_BYTES)
        return false;
    *tlv_r = (struct tlv){byte_at(*rest, 0), span_head(span_tail(*rest, TLV_BYTES), size)};
    *rest = span_tail(*rest, TLV_BYTES + size);
    return true;
}

/* Whole and clean, or empty: somebody may be let in by it, and it is shown. */
static struct span clean(struct span text, size_t most, unsigned char lowest)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (byte_at(text, i) < lowest || byte_at(text, i) == 0x7F)
            return SPAN("");
    }
    return text.size <= most ? text : SPAN("");
}

static bool read_ssl(struct span value, struct proxy_header *header)
{
    struct tlv tlv;
    unsigned client;

    if (value.size < SSL_BYTES)
        return false;
    client = byte_at(value, 0);
    header->tls = (client & SSL_SPOKEN) != 0;
    /* Nought is what vouches for it, and also what a careless sender leaves there. */
    header->verified = header->tls && (client & SSL_CERTIFICATE) != 0 && long_at(value, 1) == 0;
    value = span_tail(value, SSL_BYTES);
    while (next_tlv(&value, &tlv)) {
        if (tlv.type == TYPE_SSL_VERSION && header->tls)
            header->tls_version = clean(tlv.value, PROXY_TLS_BYTES_MAX, ' ' + 1);
        else if (tlv.type == TYPE_SSL_NAME && header->verified)
            header->common_name = clean(tlv.value, PROXY_NAME_BYTES_MAX, ' ');
    }
    return value.size == 0;
}

/* CRC32C (RFC 3720 appendix B.4), bit by bit: it is rare, and of a few hundred bytes. */
static uint32_t checksum_add(uint32_t sum, struct span bytes)
{
    size_t i;
    unsigned bit;

    for (i = 0; i < bytes.size; i++) {
        sum ^= byte_at(bytes, i);
        for (bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ ((sum & 1U) != 0 ? 0x82F63B78U : 0U);
    }
    return sum;
}

/* Of the whole header, with noughts where the sum itself stands. */
static bool checksum_fits(struct span whole, struct span sum)
{
    struct span before = span_head(whole, (size_t)(sum.at - whole.at));
    struct span after = span_tail(whole, before.size + sum.size);
    uint32_t found = checksum_add(UINT32_MAX, before);

    found = checksum_add(found, span_of("\0\0\0\0", CHECKSUM_BYTES));
    found = checksum_add(found, after);
    return ~found == long_at(sum, 0);
}

static enum parsed read_tlvs(struct span whole, struct span rest, struct proxy_header *header)
{
    struct tlv tlv;

    while (next_tlv(&rest, &tlv)) {
        if (tlv.type == TYPE_SSL && !read_ssl(tlv.value, header))
            return bad(header, "what it says of TLS can't be read");
        if (tlv.type == TYPE_CHECKSUM &&
            (tlv.value.size != CHECKSUM_BYTES || !checksum_fits(whole, tlv.value)))
            return bad(header, "its checksum does not fit");
    }
    return rest.size == 0 ? PARSED : bad(header, "it ends in the middle of a value");
}

/* --- version 2 --- */

static void read_point(struct span bytes, size_t ip, size_t ip_size, size_t port,
                       struct proxy_point *point_r)
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};

    memcpy(point_r->ip, mapped, sizeof(mapped));
    memcpy(point_r->ip + 16 - ip_size, bytes.at + ip, ip_size);
    point_r->port = (uint16_t)short_at(bytes, port);
}

/* Of the addresses, for a family that is known. */
static size_t addresses_size(unsigned family)
{
    switch (family) {
    case TCP_FOUR:
        return FOUR_BYTES;
    case TCP_SIX:
        return SIX_BYTES;
    case UNIX_STREAM:
        return UNIX_BYTES;
    default:
        return 0;
    }
}

static enum parsed read_block(struct span whole, struct proxy_header *header)
{
    unsigned family = byte_at(whole, 13);
    size_t size = addresses_size(family);
    struct span block = span_tail(whole, FIXED_BYTES);

    header->whose = PROXY_OF_NOBODY;
    if (block.size < size)
        return bad(header, "it is too short for its addresses");
    if (size == FOUR_BYTES || size == SIX_BYTES) {
        size_t ip_size = size == FOUR_BYTES ? 4 : 16;

        header->whose = PROXY_OF_CLIENT;
        read_point(block, 0, ip_size, 2 * ip_size, &header->client);
        read_point(block, ip_size, ip_size, 2 * ip_size + 2, &header->server);
    }
    return read_tlvs(whole, span_tail(block, size), header);
}

static enum parsed parse_binary(struct span input, struct proxy_header *header)
{
    unsigned command, family;
    size_t size;

    header->version = PROXY_V2;
    if (input.size < FIXED_BYTES)
        return PARSED_MORE;
    command = byte_at(input, 12);
    family = byte_at(input, 13);
    size = FIXED_BYTES + short_at(input, 14);
    if (command >> 4 != VERSION_2 || (command & 15U) > COMMAND_PROXY)
        return bad(header, "its version or command is none that there is");
    if (family != FAMILY_UNSPEC && addresses_size(family) == 0)
        return bad(header, "it is not of a TCP connection");
    if (size > PROXY_HEADER_BYTES_MAX)
        return bad(header, "it is longer than 8192 bytes");
    if (input.size < size)
        return PARSED_MORE;
    header->taken = size;
    header->whose = PROXY_OF_SENDER;
    if ((command & 15U) == COMMAND_LOCAL)
        return PARSED; /* whatever else it says is not meant */
    return read_block(span_head(input, size), header);
}

/* Does the input begin like that, as far as it goes? */
static bool begins(struct span input, struct span with)
{
    return span_starts(input, span_head(with, input.size));
}

enum parsed proxy_parse(struct span input, struct proxy_header *header_r)
{
    *header_r = (struct proxy_header){.version = PROXY_NONE};
    if (begins(input, WORD))
        return input.size < WORD.size ? PARSED_MORE : parse_line(input, header_r);
    if (begins(input, SIGNATURE))
        return parse_binary(input, header_r);
    header_r->absent = true;
    return bad(header_r, "something else came first");
}

/* --- writing --- */

static bool both_four(const struct proxy_header *header)
{
    return ip_is_four(header->client.ip) && ip_is_four(header->server.ip);
}

static void write_ip(const struct proxy_point *point, bool six, struct text *out)
{
    text_add_byte(out, ' ');
    if (six)
        ip_show_six(point->ip, out);
    else
        ip_show(point->ip, out);
}

static void write_line(const struct proxy_header *header, struct text *out)
{
    bool six = !both_four(header);

    text_add(out, WORD);
    if (header->whose != PROXY_OF_CLIENT) {
        text_add(out, SPAN("UNKNOWN\r\n"));
        return;
    }
    text_add(out, six ? SPAN("TCP6") : SPAN("TCP4"));
    write_ip(&header->client, six, out);
    write_ip(&header->server, six, out);
    text_add_byte(out, ' ');
    text_add_number(out, header->client.port);
    text_add_byte(out, ' ');
    text_add_number(out, header->server.port);
    text_add(out, SPAN("\r\n"));
}

static void add_short(struct text *out, size_t number)
{
    text_add_byte(out, (char)(number >> 8));
    text_add_byte(out, (char)(number & 0xFF));
}

static void add_points(const struct proxy_header *header, struct text *out)
{
    size_t skip = both_four(header) ? 12 : 0;

    text_add(out, span_of((const char *)header->client.ip + skip, 16 - skip));
    text_add(out, span_of((const char *)header->server.ip + skip, 16 - skip));
    add_short(out, header->client.port);
    add_short(out, header->server.port);
}

static void add_tlv(unsigned type, struct span value, struct text *out)
{
    if (value.size == 0)
        return;
    text_add_byte(out, (char)type);
    add_short(out, value.size);
    text_add(out, value);
}

static void add_ssl(const struct proxy_header *header, struct text *out)
{
    char memory[PROXY_WRITTEN_BYTES_MAX];
    struct text value = text_over(memory, sizeof(memory));
    unsigned flags = SSL_SPOKEN | (header->verified ? SSL_CERTIFICATE : 0U);

    text_add_byte(&value, (char)flags);
    add_short(&value, 0);
    add_short(&value, header->verified ? 0 : 1);
    add_tlv(TYPE_SSL_VERSION, span_head(header->tls_version, PROXY_TLS_BYTES_MAX), &value);
    if (header->verified && header->common_name.size <= PROXY_NAME_BYTES_MAX)
        add_tlv(TYPE_SSL_NAME, header->common_name, &value);
    add_tlv(TYPE_SSL, text_span(&value), out);
}

static void write_binary(const struct proxy_header *header, struct text *out)
{
    char memory[PROXY_WRITTEN_BYTES_MAX];
    struct text block = text_over(memory, sizeof(memory));
    unsigned command = header->whose == PROXY_OF_SENDER ? COMMAND_LOCAL : COMMAND_PROXY;
    unsigned family = FAMILY_UNSPEC;

    if (header->whose == PROXY_OF_CLIENT) {
        family = both_four(header) ? TCP_FOUR : TCP_SIX;
        add_points(header, &block);
    }
    if (header->tls && header->whose != PROXY_OF_SENDER)
        add_ssl(header, &block);
    text_add(out, SIGNATURE);
    text_add_byte(out, (char)(VERSION_2 << 4 | command));
    text_add_byte(out, (char)family);
    add_short(out, block.size);
    text_add(out, text_span(&block));
}

void proxy_write(const struct proxy_header *header, struct text *out)
{
    switch (header->version) {
    case PROXY_NONE:
        break;
    case PROXY_V1:
        write_line(header, out);
        break;
    case PROXY_V2:
        write_binary(header, out);
        break;
    }
}
