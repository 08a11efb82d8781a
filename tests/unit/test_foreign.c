#include <criterion/criterion.h>

#include "lockstep/smtp/foreign.h"

struct foreign_row {
    struct span input;
    uint32_t blank_lines;
    enum foreign foreign;
    size_t size;
};

static const struct foreign_row rows[] = {
    {SPAN_INIT("\x16\x03\x01\x02\x00\x01"), 0, FOREIGN_TLS, 2},
    {SPAN_INIT("\x16\x03\x00"), 0, FOREIGN_TLS, 2},
    {SPAN_INIT("\x16\r\n"), 0, FOREIGN_NONE, 0},
    {SPAN_INIT("\x80\x2e\x01\x03\x01\x00\x15"), 0, FOREIGN_OLD_SSL, 5},
    {SPAN_INIT("\x80\x2e\x01\x00\x02\x00\x15"), 0, FOREIGN_OLD_SSL, 5},
    {SPAN_INIT("\xff\x2e\x01\x03\x04"), 0, FOREIGN_OLD_SSL, 5},
    {SPAN_INIT("\x80\x2e\x02\x03\x01\x00\x15"), 0, FOREIGN_NONE, 0}, /* not a hello */
    {SPAN_INIT("\x80\x2e\x01\x03\x05\x00\x15"), 0, FOREIGN_NONE, 0},
    {SPAN_INIT("\x7f\x2e\x01\x03\x01\x00\x15"), 0, FOREIGN_NONE, 0},
    {SPAN_INIT("GET / HTTP/1.1\r\n"), 0, FOREIGN_HTTP, 4},
    {SPAN_INIT("PRI * HTTP/2.0\r\n"), 0, FOREIGN_HTTP, 6},
    {SPAN_INIT("CONNECT mx:25 HTTP/1.1\r\n"), 0, FOREIGN_HTTP, 8},
    {SPAN_INIT("OPTIONS * HTTP/1.1\r\n"), 0, FOREIGN_HTTP, 8},
    {SPAN_INIT("PUT /x"), 0, FOREIGN_HTTP, 4},
    {SPAN_INIT("hOST: x\r\n"), 0, FOREIGN_HTTP, 5},
    {SPAN_INIT("Host: x\r\n"), 2, FOREIGN_HTTP, 5},
    {SPAN_INIT("get / HTTP/1.1\r\n"), 0, FOREIGN_NONE, 0}, /* as no browser writes it */
    {SPAN_INIT("GETS x\r\n"), 0, FOREIGN_NONE, 0},
    {SPAN_INIT("POST\r\n"), 0, FOREIGN_NONE, 0},
    {SPAN_INIT("PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n"), 0, FOREIGN_PROXY, 6},
    {SPAN_INIT("PROXYING\r\n"), 0, FOREIGN_NONE, 0},
    {SPAN_INIT("\0\r\nQUIT\n"), 2, FOREIGN_PROXY, 1},
    {SPAN_INIT("\0\r\nQUIT\n"), 1, FOREIGN_NONE, 0},
    {SPAN_INIT("MAIL FROM:<a@b>\r\n"), 2, FOREIGN_NONE, 0},
    {SPAN_INIT(""), 2, FOREIGN_NONE, 0},
};

Test(foreign, is_told_by_the_same_bytes_however_they_are_cut)
{
    size_t i, size, told;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct foreign_row *row = &rows[i];

        for (size = 0; size <= row->input.size; size++) {
            enum foreign wanted =
                row->foreign != FOREIGN_NONE && size >= row->size ? row->foreign : FOREIGN_NONE;

            cr_assert_eq(foreign_look(span_head(row->input, size), row->blank_lines, &told), wanted,
                         "row %zu, %zu bytes", i, size);
            if (wanted != FOREIGN_NONE)
                cr_assert_eq(told, row->size, "row %zu", i);
        }
    }
}
