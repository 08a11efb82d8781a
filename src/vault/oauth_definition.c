/* A definition with texts of its own. */
#include "oauth_definition.h"

#include <stdlib.h>

#include "lockstep/base/must.h"
#include "lockstep/base/text.h"

/* Where the texts stand that OAuth looks at. */
#define TEXT(field) offsetof(struct config_credential, field)
static const size_t texts[] = {
    TEXT(name),
    TEXT(user),
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

static struct span *text_at(struct config_credential *definition, size_t number)
{
    return (struct span *)((char *)definition + texts[number]);
}

struct config_credential *oauth_definition_copy(const struct config_credential *definition)
{
    struct config_credential from = *definition;
    struct config_credential *copy;
    struct text memory;
    size_t size = 0;
    size_t i;

    for (i = 0; i < TEXT_COUNT; i++)
        size += text_at(&from, i)->size;
    copy = malloc(sizeof(*copy) + size);
    must(copy != NULL);
    *copy = (struct config_credential){.name = from.name};
    copy->oauth.provider = from.oauth.provider;
    copy->oauth.grant = from.oauth.grant;
    memory = text_over((char *)(copy + 1), size);
    for (i = 0; i < TEXT_COUNT; i++) {
        struct span text = *text_at(&from, i);

        *text_at(copy, i) = span_of(memory.at + memory.size, text.size);
        text_add(&memory, text);
    }
    return copy;
}
