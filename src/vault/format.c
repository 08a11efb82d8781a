/* Text as printf writes it. */
#include "format.h"

#include <stdarg.h>
#include <stdio.h>

void text_format(struct text *text, const char *format, ...)
{
    char sentence[FORMAT_BYTES_MAX + 1];
    int size;
    va_list values;

    va_start(values, format);
    size = vsnprintf(sentence, sizeof(sentence), format, values);
    va_end(values);
    if (size > 0)
        text_add(text, span_head(span_of(sentence, FORMAT_BYTES_MAX), (size_t)size));
}
