/* Counts by 64-bit hash: see _tally_loops.c. A table of room places must have an empty one, and no hash is 0. */
#ifndef OPIN_TALLY_H
#define OPIN_TALLY_H

#include <stddef.h>
#include <stdint.h>

#define OPIN_TALLY_PARTS 4 /* leading bits that the hashes of a table share: there are 16 tables, which grow one by one */

#define OPIN_TALLY_EXACT 255 /* a count that stays as it is when more are added */

/* Add to counts, up to 254, and say what they were; 0 for a hash that was not there. Returns how many were not. */
size_t opin_tally_add(uint64_t *hashes, uint8_t *counts, size_t room, const uint64_t *added, const uint8_t *more, size_t n,
                      uint8_t *before);

/* Set counts. Returns how many hashes were new. */
size_t opin_tally_put(uint64_t *hashes, uint8_t *counts, size_t room, const uint64_t *added, const uint8_t *values, size_t n);

#endif
