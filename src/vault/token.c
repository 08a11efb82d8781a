/* The life of an access token. */
#include "token.h"

#include "lockstep/base/must.h"

/* A clock that goes back a little is no reason to do anything. */
#define CLOCK_SLACK_MS ((moment)60 * 1000)

/* `of` less up to an eighth, which part is the name's. */
static moment spread(const struct token *token, moment of)
{
    return of - of / 8 * (moment)token->spread / 65536;
}

void token_init(struct token *token, struct span name, bool renewable)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    size_t i;

    for (i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.at[i]) * 16777619U;
    *token = (struct token){.spread = hash >> 16, .renewable = renewable};
}

void token_known(struct token *token, moment came, moment ends, bool renewable)
{
    token->came = came;
    token->ends = ends > came ? ends : 0;
    token->again = 0;
    token->replaced = 0;
    token->failures = 0;
    token->renewable = renewable;
    token->barred = false;
    token->asked = false;
}

moment token_usable_until(const struct token *token)
{
    moment tenth = (token->ends - token->came) / 10;

    if (token->ends == 0)
        return 0;
    return token->ends - (tenth < TOKEN_MARGIN_MS ? tenth : TOKEN_MARGIN_MS);
}

enum token_state token_state(const struct token *token, moment now)
{
    if (now < token_usable_until(token))
        return TOKEN_USABLE;
    return token->barred || !token->renewable ? TOKEN_LOGIN : TOKEN_WAITING;
}

/* When a token that lives is to be renewed. */
static moment renewal(const struct token *token)
{
    moment wait = (token->ends - token->came) / 4 * 3;

    if (wait > TOKEN_DAY_MS)
        wait = TOKEN_DAY_MS;
    wait = spread(token, wait);
    return token->came + (wait > TOKEN_PACE_MS ? wait : TOKEN_PACE_MS);
}

moment token_due(const struct token *token, moment now)
{
    if (token->asked || !token->renewable)
        return MOMENT_NEVER;
    /* A wait longer than any that is ever set, or a token from the future: the clock was put back,
     * and nothing that it said before holds. */
    if (token->again != 0)
        return token->again - now > TOKEN_HOPE_MS ? now : token->again;
    if (token->ends == 0 || token->came - now > CLOCK_SLACK_MS)
        return now;
    return renewal(token);
}

void token_asked(struct token *token)
{
    must(!token->asked);
    token->asked = true;
}

void token_came(struct token *token, moment now, moment life_ms)
{
    moment replaced = token->replaced;

    token_known(token, now, now + life_ms, true);
    token->replaced = replaced;
}

void token_failed(struct token *token, moment now, enum token_failure failure, moment put_off_ms)
{
    moment wait = TOKEN_HOPE_MS;

    token->asked = false;
    token->barred |= failure == TOKEN_BARRED;
    if (!token->barred) {
        wait = token->failures < 16 ? TOKEN_AGAIN_MS << token->failures : TOKEN_AGAIN_MAX_MS;
        wait = wait < TOKEN_AGAIN_MAX_MS ? wait : TOKEN_AGAIN_MAX_MS;
        wait = put_off_ms > wait ? put_off_ms : spread(token, wait);
    }
    token->again = now + (wait < TOKEN_HOPE_MS ? wait : TOKEN_HOPE_MS);
    token->failures += token->failures < UINT32_MAX;
}

bool token_refused(struct token *token, moment now)
{
    moment since = now - token->replaced;

    if (!token->renewable || (token->replaced != 0 && since >= 0 && since < TOKEN_REFUSED_MS))
        return false;
    token->replaced = now;
    token->ends = 0;
    return true;
}
