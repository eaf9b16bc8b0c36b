/* Counts by 64-bit hash. The arrays are the caller's. */
#include "_loops.h"

#if defined(__GNUC__)
#define OPIN_PREFETCH(address) __builtin_prefetch(address, 1)
#else
#define OPIN_PREFETCH(address) ((void)(address))
#endif

enum { AHEAD = 16 };

static const uint64_t COUNT = 0xFF;

static opin_tally_part *part_of(opin_tally_part *parts, uint64_t hash) {
    return &parts[hash >> (64 - OPIN_TALLY_BITS)];
}

/* Where the search for a cell begins: rising with its hash. */
static size_t home_of(const opin_tally_part *part, uint64_t cell) {
    return (size_t)((cell >> 32) * (uint64_t)part->room >> 32);
}

/* The cell of the hash that a cell has. */
static uint64_t *place_of(const opin_tally_part *part, uint64_t cell) {
    size_t place = home_of(part, cell);
    while (((part->cells[place] ^ cell) & ~COUNT) != 0 && part->cells[place] != 0) {
        place = place + 1 < part->room ? place + 1 : 0;
    }
    return &part->cells[place];
}

size_t opin_tally_count(opin_tally_part *parts, const uint64_t *hashes, size_t n, uint8_t *before) {
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n) {
            const opin_tally_part *const next = part_of(parts, hashes[i + AHEAD]);
            OPIN_PREFETCH(next->cells + home_of(next, hashes[i + AHEAD] << OPIN_TALLY_BITS));
        }
        opin_tally_part *const part = part_of(parts, hashes[i]);
        const uint64_t fresh = hashes[i] << OPIN_TALLY_BITS & ~COUNT;
        uint64_t *const cell = place_of(part, fresh);
        if (*cell == 0) {
            if (part->size >= part->most) {
                return i;
            }
            part->size++;
            *cell = fresh;
        }
        before[i] = (uint8_t)(*cell & COUNT);
        *cell += before[i] < OPIN_TALLY_EXACT - 1;
    }
    return n;
}

void opin_tally_put(opin_tally_part *part, const uint64_t *cells, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint64_t *const cell = place_of(part, cells[i]);
        part->size += *cell == 0;
        *cell = cells[i];
    }
}
