/* The two functions that the lock asks of a C library, for a compiler that comes without one. */
#ifndef OPIN_STRING_H
#define OPIN_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);

#endif
