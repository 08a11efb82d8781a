/* Copying and comparing definitions, both by one list of what stands in them. */
#include "definition.h"

#include <stdlib.h>

#include "lockstep/base/must.h"

#define TEXT(member) offsetof(struct config_credential, member)

static const size_t texts[] = {
    TEXT(name),
    TEXT(user),
    TEXT(password_file),
    TEXT(password_command),
    TEXT(password_env),
    TEXT(credential),
    TEXT(store),
    TEXT(import),
    TEXT(oauth.tenant),
    TEXT(oauth.client_id),
    TEXT(oauth.client_secret_file),
    TEXT(oauth.client_secret_store),
    TEXT(oauth.token_endpoint),
    TEXT(oauth.device_endpoint),
    TEXT(oauth.authorize_endpoint),
    TEXT(oauth.scope),
    TEXT(oauth.key_file),
    TEXT(oauth.token_file),
    TEXT(oauth.ca),
};

#define TEXT_COUNT (sizeof(texts) / sizeof(texts[0]))

/* Beside the texts there is room for the format, the provider and the grant: a member that is added
 * to the configuration must be added here too. */
_Static_assert(sizeof(struct config_credential) ==
                   TEXT_COUNT * sizeof(struct span) + 2 * sizeof(uint64_t),
               "every member of a credential is copied and compared");

static struct span text_of(const struct config_credential *credential, size_t number)
{
    return *(const struct span *)(const void *)((const char *)credential + texts[number]);
}

struct config_credential *definition_copy(const struct config_credential *credential)
{
    size_t room = 0;
    struct config_credential *copy;
    struct text arena;
    size_t i;

    for (i = 0; i < TEXT_COUNT; i++)
        room += text_of(credential, i).size;
    copy = malloc(sizeof(*copy) + room);
    must(copy != NULL);
    *copy = *credential;
    arena = text_over((char *)(copy + 1), room);
    for (i = 0; i < TEXT_COUNT; i++) {
        struct span *text = (struct span *)(void *)((char *)copy + texts[i]);
        size_t start = arena.size;

        text_add(&arena, *text);
        *text = span_tail(text_span(&arena), start);
    }
    return copy;
}

bool definition_same(const struct config_credential *one, const struct config_credential *other)
{
    size_t i;

    for (i = 0; i < TEXT_COUNT; i++)
        if (!span_equal(text_of(one, i), text_of(other, i)))
            return false;
    return one->format == other->format && one->oauth.provider == other->oauth.provider &&
           one->oauth.grant == other->oauth.grant;
}
