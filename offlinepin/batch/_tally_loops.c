/* An open-addressing table of 64-bit hashes, 0 standing for an empty place, with a count for each. The arrays are the caller's. */
#include "_tally_loops.h"

#if defined(__GNUC__)
#define OPIN_PREFETCH(address) __builtin_prefetch(address)
#else
#define OPIN_PREFETCH(address) ((void)(address))
#endif

/* Where a hash's search begins: rising with the hash, so that rising hashes walk through memory in order. */
static size_t opin_tally_home(uint64_t hash, size_t room) {
    return (size_t)(((hash << OPIN_TALLY_PARTS) >> 32) * (uint64_t)room >> 32);
}

static size_t opin_tally_place(const uint64_t *hashes, size_t room, uint64_t hash) {
    size_t place = opin_tally_home(hash, room);
    while (hashes[place] != hash && hashes[place] != 0) {
        place = place + 1 < room ? place + 1 : 0;
    }
    return place;
}

size_t opin_tally_add(uint64_t *hashes, uint8_t *counts, size_t room, const uint64_t *added, const uint8_t *more, size_t n,
                      uint8_t *before) {
    size_t fresh = 0;
    for (size_t i = 0; i < n; i++) {
        if (i + 8 < n) {
            const size_t ahead = opin_tally_home(added[i + 8], room);
            OPIN_PREFETCH(hashes + ahead);
            OPIN_PREFETCH(counts + ahead);
        }
        const size_t place = opin_tally_place(hashes, room, added[i]);
        const unsigned held = hashes[place] != 0 ? counts[place] : 0, sum = held + more[i];
        fresh += hashes[place] == 0;
        before[i] = (uint8_t)held;
        hashes[place] = added[i];
        counts[place] = (uint8_t)(held == OPIN_TALLY_EXACT ? held : sum < OPIN_TALLY_EXACT ? sum : OPIN_TALLY_EXACT - 1);
    }
    return fresh;
}

size_t opin_tally_put(uint64_t *hashes, uint8_t *counts, size_t room, const uint64_t *added, const uint8_t *values, size_t n) {
    size_t fresh = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t place = opin_tally_place(hashes, room, added[i]);
        fresh += hashes[place] == 0;
        hashes[place] = added[i];
        counts[place] = values[i];
    }
    return fresh;
}
