#include <criterion/criterion.h>

#include "lockstep/smtp/remap.h"

Test(remap, takes_only_pairs_that_can_do_no_harm)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"550=450", true},
        {"550=450 251=250", true},
        {" 550=450\t450=451", false}, /* once more, and it would be another code */
        {"550=450 551=450", true},
        {"550=450 550=451", false},
        {"550=550", false},
        {"", false},
        {"  ", false},
        {"550", false},
        {"550=", false},
        {"550=45", false},
        {"550=4500", false},
        {"550=450,251=250", false},
        {"550 = 450", false},
        {"55a=450", false},
        {"550=4-0", false},
        {"550=250", false}, /* invariant 16 */
        {"250=550", false},
        {"250=354", false},
        {"354=250", false},
        {"334=454", false},
        {"600=550", false},
        {"100=250", false},
        {"421=451", false},
        {"451=421", false},
        {"235=250", false},
        {"250=220", false},
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_eq(remap_valid(span_of_string(rows[i].text)), rows[i].valid, "%s", rows[i].text);
}

Test(remap, leaves_what_is_not_named)
{
    struct span text = SPAN("550=450 251=250");

    cr_assert_eq(remap_code(text, 550), 450);
    cr_assert_eq(remap_code(text, 251), 250);
    cr_assert_eq(remap_code(text, 551), 551);
    cr_assert_eq(remap_code(SPAN(""), 550), 550);
}
