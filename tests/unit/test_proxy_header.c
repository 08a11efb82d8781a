#include <criterion/criterion.h>
#include <string.h>

#include "lockstep/smtp/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define FOUR "\xC0\0\2\1\xC6\x33\x64\2\x12\x34\0\x19" /* 192.0.2.1:4660 to 198.51.100.2:25 */
#define TCP_FOUR SIGNATURE "\x21\x11\0\x0C" FOUR

struct proxy_row {
    struct span input;
    enum parsed parsed;
    const char *told; /* what is found, see tell(); or what is wrong */
    size_t behind;    /* bytes of the input that are not the header's */
};

static const struct proxy_row lines[] = {
    {SPAN_INIT("PROXY TCP4 192.0.2.1 198.51.100.2 4660 25\r\n"), PARSED,
     "v1 client 192.0.2.1:4660 198.51.100.2:25", 0},
    {SPAN_INIT("PROXY TCP4 192.0.2.1 198.51.100.2 0 65535\r\nEHLO c\r\n"), PARSED,
     "v1 client 192.0.2.1:0 198.51.100.2:65535", 8},
    {SPAN_INIT("PROXY TCP6 2001:db8::1 ::1 4660 25\r\n"), PARSED,
     "v1 client 2001:db8::1:4660 ::1:25", 0},
    {SPAN_INIT("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6402 1 2\r\n"), PARSED,
     "v1 client 192.0.2.1:1 198.51.100.2:2", 0},
    {SPAN_INIT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535\r\n"),
     PARSED,
     "v1 client ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535 "
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe:65535",
     0},
    {SPAN_INIT("PROXY UNKNOWN\r\n"), PARSED, "v1 nobody", 0},
    {SPAN_INIT("PROXY UNKNOWN whatever stands here 1\r\n\r\n"), PARSED, "v1 nobody", 2},
    {SPAN_INIT("PROXY TCP4 192.0.2.1 198.51.100.2 4660 25"), PARSED_MORE, NULL, 0},
    {SPAN_INIT("PROXY TCP4 192.0.2.1 198.51.100.2 4660 25\r"), PARSED_MORE, NULL, 0},
    {SPAN_INIT("PRO"), PARSED_MORE, NULL, 0},
    {SPAN_INIT(""), PARSED_MORE, NULL, 0},
    {SPAN_INIT("PROXY TCP4 192.0.2.1 198.51.100.2 4660 25\n"), PARSED_BAD,
     "its line ends without CR", 0},
    {SPAN_INIT("PROXY \n"), PARSED_BAD, "its line ends without CR", 0},
    {SPAN_INIT("PROXY \r\n"), PARSED_BAD, "it names neither TCP4 nor TCP6 nor UNKNOWN", 0},
    {SPAN_INIT("PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n"), PARSED_BAD,
     "it names neither TCP4 nor TCP6 nor UNKNOWN", 0},
    {SPAN_INIT("PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n"), PARSED_BAD,
     "it names neither TCP4 nor TCP6 nor UNKNOWN", 0},
    {SPAN_INIT("PROXY TCP4 2001:db8::1 198.51.100.2 1 2\r\n"), PARSED_BAD,
     "its addresses can't be read", 0},
    {SPAN_INIT("PROXY TCP6 2001:db8::1 198.51.100.2 1 2\r\n"), PARSED_BAD,
     "its addresses can't be read", 0},
    {SPAN_INIT("PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n"), PARSED_BAD,
     "its addresses can't be read", 0},
    {SPAN_INIT("PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n"), PARSED_BAD,
     "its addresses can't be read", 0},
    {SPAN_INIT("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n"), PARSED_BAD,
     "its addresses can't be read", 0},
    {SPAN_INIT("PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n"), PARSED_BAD,
     "its ports can't be read", 0},
    {SPAN_INIT("PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n"), PARSED_BAD, "its ports can't be read",
     0},
    {SPAN_INIT("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n"), PARSED_BAD, "its ports can't be read",
     0},
    {SPAN_INIT("PROXY UNKNOWN 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
               "0123456789 0123456789012345"),
     PARSED_BAD, "its line is longer than 107 bytes", 0},
    {SPAN_INIT("PROXY UNKNOWN 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
               "0123456789 01234567890123\r\n"),
     PARSED, "v1 nobody", 0},
};

static const struct proxy_row binaries[] = {
    {SPAN_INIT(TCP_FOUR), PARSED, "v2 client 192.0.2.1:4660 198.51.100.2:25", 0},
    {SPAN_INIT(TCP_FOUR "EHLO c\r\n"), PARSED, "v2 client 192.0.2.1:4660 198.51.100.2:25", 8},
    {SPAN_INIT(SIGNATURE "\x21\x21\0\x24"
                         "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
                         "\x12\x34\0\x19"),
     PARSED, "v2 client 2001:db8::1:4660 ::1:25", 0},
    {SPAN_INIT(SIGNATURE "\x20\0\0\0"), PARSED, "v2 sender", 0},
    {SPAN_INIT(SIGNATURE "\x20\x11\0\4"
                         "junk"),
     PARSED, "v2 sender", 0},
    {SPAN_INIT(SIGNATURE "\x20\0\0\7"
                         "\x20\0\4junk"),
     PARSED, "v2 sender", 0},
    {SPAN_INIT(SIGNATURE "\x21\0\0\0"), PARSED, "v2 nobody", 0},
    /* Other values are skipped: ALPN, AUTHORITY, UNIQUE_ID, NETNS, one of nobody. */
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x2B" FOUR
                         "\1\0\4smtp\2\0\7mx.test\5\0\1x\x30\0\1n\xEE\0\3own"),
     PARSED, "v2 client 192.0.2.1:4660 198.51.100.2:25", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x1E" FOUR "\x20\0\x0F"
                         "\1\0\0\0\1"
                         "\x21\0\7TLSv1.3"),
     PARSED, "v2 client 192.0.2.1:4660 198.51.100.2:25 tls TLSv1.3", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x29" FOUR "\x20\0\x1A"
                         "\7\0\0\0\0"
                         "\x21\0\7TLSv1.2"
                         "\x22\0\x08"
                         "mx 1.tes"),
     PARSED, "v2 client 192.0.2.1:4660 198.51.100.2:25 tls TLSv1.2 mx 1.tes", 0},
    /* Not vouched for; nought without a certificate; not TLS at all; not clean; a strange version.
     */
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x19" FOUR "\x20\0\x0A"
                         "\7\0\0\0\1"
                         "\x22\0\2mx"),
     PARSED, "v2 client 192.0.2.1:4660 198.51.100.2:25 tls", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x19" FOUR "\x20\0\x0A"
                         "\1\0\0\0\0"
                         "\x22\0\2mx"),
     PARSED, "v2 client 192.0.2.1:4660 198.51.100.2:25 tls", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x19" FOUR "\x20\0\x0A"
                         "\6\0\0\0\0"
                         "\x22\0\2mx"),
     PARSED, "v2 client 192.0.2.1:4660 198.51.100.2:25", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x19" FOUR "\x20\0\x0A"
                         "\7\0\0\0\0"
                         "\x22\0\2m\n"),
     PARSED, "v2 client 192.0.2.1:4660 198.51.100.2:25 tls verified", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x1E" FOUR "\x20\0\x0F"
                         "\1\0\0\0\1"
                         "\x21\0\7TLS 1.3"),
     PARSED, "v2 client 192.0.2.1:4660 198.51.100.2:25 tls", 0},
    /* CRC32C of the whole. */
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x13" FOUR "\3\0\4"
                         "\xA9\x44\x0D\xC1"),
     PARSED, "v2 client 192.0.2.1:4660 198.51.100.2:25", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x13" FOUR "\3\0\4"
                         "\xA9\x44\x0D\xC0"),
     PARSED_BAD, "its checksum does not fit", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x12" FOUR "\3\0\3"
                         "\0\0\0"),
     PARSED_BAD, "its checksum does not fit", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x0E" FOUR "\4\0"), PARSED_BAD,
     "it ends in the middle of a value", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x10" FOUR "\4\0\2x"), PARSED_BAD,
     "it ends in the middle of a value", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x13" FOUR "\x20\0\4"
                         "\1\0\0\0"),
     PARSED_BAD, "what it says of TLS can't be read", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x17" FOUR "\x20\0\x08"
                         "\1\0\0\0\0"
                         "\x21\0\1"),
     PARSED_BAD, "what it says of TLS can't be read", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\0\x0B"
                         "\xC0\0\2\1\xC6\x33\x64\2\x12\x34\0"),
     PARSED_BAD, "it is too short for its addresses", 0},
    {SPAN_INIT(SIGNATURE "\x21\x31\0\4"
                         "/tmp"),
     PARSED_BAD, "it is too short for its addresses", 0},
    {SPAN_INIT(SIGNATURE "\x11\x11\0\0"), PARSED_BAD,
     "its version or command is none that there is", 0},
    {SPAN_INIT(SIGNATURE "\x22\x11\0\0"), PARSED_BAD,
     "its version or command is none that there is", 0},
    {SPAN_INIT(SIGNATURE "\x21\x12\0\0"), PARSED_BAD, "it is not of a TCP connection", 0},
    {SPAN_INIT(SIGNATURE "\x20\x99\0\0"), PARSED_BAD, "it is not of a TCP connection", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\x1F\xF1"), PARSED_BAD, "it is longer than 8192 bytes", 0},
    {SPAN_INIT(SIGNATURE "\x21\x11\x1F\xF0"), PARSED_MORE, NULL, 0},
    {SPAN_INIT("\r\n\r\n\0\r\nQUIT"), PARSED_MORE, NULL, 0},
    {SPAN_INIT("\r\n\r\n"), PARSED_MORE, NULL, 0},
};

static const struct proxy_row strangers[] = {
    {SPAN_INIT("EHLO c.example\r\n"), PARSED_BAD, "something else came first", 0},
    {SPAN_INIT("proxy TCP4"), PARSED_BAD, "something else came first", 0},
    {SPAN_INIT("PROXYING"), PARSED_BAD, "something else came first", 0},
    {SPAN_INIT("\x16\x03\x01"), PARSED_BAD, "something else came first", 0},
    {SPAN_INIT("\r\n\r\nQUIT"), PARSED_BAD, "something else came first", 0},
};

static void tell_point(const struct proxy_point *point, struct text *told)
{
    text_add_byte(told, ' ');
    ip_show(point->ip, told);
    text_add_byte(told, ':');
    text_add_number(told, point->port);
}

static void tell(const struct proxy_header *header, struct text *told)
{
    static const struct span whose[] = {[PROXY_OF_CLIENT] = SPAN_INIT(" client"),
                                        [PROXY_OF_NOBODY] = SPAN_INIT(" nobody"),
                                        [PROXY_OF_SENDER] = SPAN_INIT(" sender")};

    text_add(told, header->version == PROXY_V1 ? SPAN("v1") : SPAN("v2"));
    text_add(told, whose[header->whose]);
    if (header->whose == PROXY_OF_CLIENT) {
        tell_point(&header->client, told);
        tell_point(&header->server, told);
    }
    text_add(told, header->tls ? SPAN(" tls") : SPAN(""));
    text_add(told, header->tls_version.size > 0 ? SPAN(" ") : SPAN(""));
    text_add(told, header->tls_version);
    if (header->verified) {
        text_add_byte(told, ' ');
        text_add(told, header->common_name.size > 0 ? header->common_name : SPAN("verified"));
    }
}

static void check_whole(const struct proxy_row *row, const struct proxy_header *header, size_t i)
{
    char memory[512];
    struct text told = text_over(memory, sizeof(memory));

    cr_assert_eq(header->taken, row->input.size - row->behind, "row %zu", i);
    tell(header, &told);
    cr_assert(span_equal(text_span(&told), span_of_string(row->told)), "row %zu: %.*s", i,
              (int)told.size, told.at);
}

/* Byte by byte: more, until it is as it is with all of them, and then nothing changes it. */
static void check_rows(const struct proxy_row *rows, size_t count)
{
    struct proxy_header header;
    size_t i, size;

    for (i = 0; i < count; i++) {
        const struct proxy_row *row = &rows[i];
        enum parsed parsed = PARSED_MORE;

        for (size = 0; size <= row->input.size; size++) {
            enum parsed next = proxy_parse(span_head(row->input, size), &header);

            cr_assert(parsed == PARSED_MORE || parsed == next, "row %zu, %zu bytes", i, size);
            cr_assert(next != PARSED || size >= row->input.size - row->behind, "row %zu", i);
            parsed = next;
        }
        cr_assert_eq(parsed, row->parsed, "row %zu: %s", i, header.wrong);
        if (parsed == PARSED)
            check_whole(row, &header, i);
        else if (parsed == PARSED_BAD)
            cr_assert_str_eq(header.wrong, row->told, "row %zu", i);
    }
}

#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

Test(proxy_header, of_version_1_is_a_line)
{
    CHECK(lines);
}

Test(proxy_header, of_version_2_is_a_block)
{
    CHECK(binaries);
}

Test(proxy_header, is_told_from_what_is_none_at_once)
{
    struct proxy_header header;

    CHECK(strangers);
    cr_assert_eq(proxy_parse(SPAN("EHLO"), &header), PARSED_BAD);
    cr_assert(header.absent);
    cr_assert_eq(proxy_parse(SPAN("PROXY \r\n"), &header), PARSED_BAD);
    cr_assert(!header.absent);
}

Test(proxy_header, of_a_unix_socket_has_no_address)
{
    char bytes[16 + 216 + 3] = SIGNATURE "\x21\x31\0\xDB"
                                         "/run/one";
    struct proxy_header header;

    bytes[16 + 216] = 4;
    cr_assert_eq(proxy_parse(span_of(bytes, sizeof(bytes)), &header), PARSED);
    cr_assert_eq(header.whose, PROXY_OF_NOBODY);
    cr_assert_eq(header.taken, sizeof(bytes));
    cr_assert_eq(proxy_parse(span_of(bytes, sizeof(bytes) - 1), &header), PARSED_MORE);
}

static struct proxy_point point(const char *ip, uint16_t port)
{
    struct proxy_point made = {.port = port};

    cr_assert(ip_read(span_of_string(ip), made.ip));
    return made;
}

/* What is written is read again as it was meant, where the version has room for it. */
static void check_written(struct proxy_header *header, const char *told)
{
    char memory[PROXY_WRITTEN_BYTES_MAX];
    char words[512];
    struct text out = text_over(memory, sizeof(memory));
    struct text found = text_over(words, sizeof(words));
    struct proxy_header again;

    proxy_write(header, &out);
    cr_assert(!out.cut);
    cr_assert_eq(proxy_parse(text_span(&out), &again), PARSED, "%s", again.wrong);
    cr_assert_eq(again.taken, out.size);
    tell(&again, &found);
    cr_assert(span_equal(text_span(&found), span_of_string(told)), "%.*s", (int)found.size,
              found.at);
}

Test(proxy_header, is_written_as_it_is_read)
{
    struct proxy_header header = {.version = PROXY_V1,
                                  .client = point("192.0.2.1", 4660),
                                  .server = point("198.51.100.2", 25),
                                  .tls = true,
                                  .tls_version = SPAN("TLSv1.3")};

    check_written(&header, "v1 client 192.0.2.1:4660 198.51.100.2:25");
    header.version = PROXY_V2;
    check_written(&header, "v2 client 192.0.2.1:4660 198.51.100.2:25 tls TLSv1.3");
    header.common_name = SPAN("mx.example"); /* not verified: not told */
    check_written(&header, "v2 client 192.0.2.1:4660 198.51.100.2:25 tls TLSv1.3");
    header.verified = true;
    check_written(&header, "v2 client 192.0.2.1:4660 198.51.100.2:25 tls TLSv1.3 mx.example");
    header.server = point("2001:db8::2", 465); /* one of each: both as IPv6 */
    check_written(&header, "v2 client 192.0.2.1:4660 2001:db8::2:465 tls TLSv1.3 mx.example");
    header.version = PROXY_V1;
    check_written(&header, "v1 client 192.0.2.1:4660 2001:db8::2:465");
    header.whose = PROXY_OF_SENDER;
    check_written(&header, "v1 nobody");
    header.version = PROXY_V2;
    check_written(&header, "v2 sender");
    header.whose = PROXY_OF_NOBODY;
    header.tls = false;
    check_written(&header, "v2 nobody");
}

Test(proxy_header, the_longest_fits)
{
    char name[PROXY_NAME_BYTES_MAX];
    char memory[PROXY_WRITTEN_BYTES_MAX];
    struct text out = text_over(memory, sizeof(memory));
    struct proxy_header again;
    struct proxy_header header = {.version = PROXY_V2,
                                  .client = point("2001:db8::1", 1),
                                  .server = point("2001:db8::2", 2),
                                  .tls = true,
                                  .verified = true,
                                  .tls_version = SPAN("TLSv1.3"),
                                  .common_name = span_of(name, sizeof(name))};

    memset(name, 'x', sizeof(name));
    proxy_write(&header, &out);
    cr_assert(!out.cut);
    cr_assert_eq(proxy_parse(text_span(&out), &again), PARSED);
    cr_assert(span_equal(again.common_name, header.common_name));
}
