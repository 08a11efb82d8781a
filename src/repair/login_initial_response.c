/*
 * login-initial-response: `AUTH LOGIN` with the name on the same line, as .NET says it (B-41). Some
 * servers overlook the name and ask for it again, so that the client's password is taken for the
 * name; others refuse. All know LOGIN in two steps: the name is said to the first 334, which the
 * client does not hear. What is not one word, or "=", goes on as it came (B-48).
 */
#include "repairs.h"

enum verdict login_initial_response(const struct situation *situation, struct mended *mended_r)
{
    struct span line = situation->seen;
    struct span rest = line;
    struct span verb, word, name;

    if (situation->reply_code != 0 || !span_word(&rest, &verb) || !span_word(&rest, &word) ||
        !span_equal_fold(word, SPAN("LOGIN")) || !span_word(&rest, &name) ||
        span_equal(name, SPAN("=")) || span_trim(rest).size > 0)
        return UNTOUCHED;
    mended_r->plan =
        (struct plan){.held_back = (uint32_t)(line.size - (size_t)(name.at - line.at))};
    return REPAIRED;
}
