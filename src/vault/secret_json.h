/*
 * secret_json: JSON that holds secrets. jansson's memory is overwritten when it is freed, in the
 * whole program and from the first call of a function here.
 */
#ifndef LOCKSTEP_SRC_VAULT_SECRET_JSON_H
#define LOCKSTEP_SRC_VAULT_SECRET_JSON_H

#include <jansson.h>

#include "lockstep/base/secret.h"

/* The object that the bytes are; NULL: they are something else. The caller gives it back with
 * json_decref(). */
json_t *secret_json_read(struct span bytes);
/* A new, empty object. */
json_t *secret_json_object(void);
/* A string's bytes, borrowed from the object; empty when there is none of that name. */
struct span secret_json_text(const json_t *object, const char *name);
/* A whole number, which may also stand there as a string of digits; false: there is none. */
bool secret_json_number(const json_t *object, const char *name, int64_t *number_r);
void secret_json_put(json_t *object, const char *name, struct span text);

#endif
