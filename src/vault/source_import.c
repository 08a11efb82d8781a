/* Other programs' files: read whole, and again when they have changed. */
#include <stdlib.h>

#include "lockstep/base/must.h"
#include "private.h"
#include "supply.h"

#define IMPORT_FRESH_MS 1000U

static bool import_has(const struct config_credential *definition, const struct import_entry *entry)
{
    return entry == NULL && definition->import.size > 0;
}

static void import_fetch(struct item *item, bool again)
{
    char memory[SUPPLY_WORDS_MAX];
    struct text why = text_over(memory, sizeof(memory));
    struct stamp *stamp = item->memo;
    struct import *import;

    (void)again;
    if (stamp == NULL)
        item->memo = stamp = calloc(1, sizeof(*stamp));
    must(stamp != NULL);
    if (item_has(item) && private_same(item->definition->import, stamp)) {
        item_confirm(item);
        return;
    }
    import = import_open(item->definition->import, item->definition->format, stamp, &why);
    if (import != NULL)
        item_offer_many(item, import);
    else
        item_fail(item, SUPPLY_LATER, text_span(&why));
}

static void import_end(struct item *item)
{
    free(item->memo);
}

const struct source import_source = {
    .kind = "import",
    .fresh_ms = IMPORT_FRESH_MS,
    .has = import_has,
    .end = import_end,
    .fetch = import_fetch,
};
