/* Runs the loops over batches of 0 to 40 rows, with every array allocated to its exact size, so that AddressSanitizer sees any byte read or
 * written outside; times lie near the ends of the ranges that the Python side lets through. Prints how many batches it ran. */
#include "_loops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCHES = 4096, KINDS = 3, LONGEST = 9 };

static uint64_t next_random(void) {
    static uint64_t state = 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x9E3779B97F4A7C15U;
}

static int64_t between(int64_t low, int64_t high) {
    return low + (int64_t)(next_random() % (uint64_t)(high - low + 1));
}

/* An allocation of its own, of exactly so many bytes. */
static void *exactly(size_t bytes) {
    void *const p = malloc(bytes != 0 ? bytes : 1);
    if (p == NULL) {
        abort();
    }
    memset(p, 0xA5, bytes);
    return bytes != 0 ? p : (free(p), malloc(0));
}

static void *numbers(size_t count, size_t size, int64_t low, int64_t high) {
    uint8_t *const p = exactly(count * size);
    for (size_t i = 0; i < count; i++) {
        const int64_t value = between(low, high);
        const int32_t half = (int32_t)value;
        const int16_t quarter = (int16_t)value;
        memcpy(p + i * size, size == 8 ? (const void *)&value : size == 4 ? (const void *)&half : (const void *)&quarter, size);
    }
    return p;
}

static void *kept[80];
static size_t kept_count;

static void *keep(void *p) {
    kept[kept_count++] = p;
    return p;
}

/* Kinds of all sorts; slots from a second to the largest there can be. */
static void make_kinds(opin_kind kinds[KINDS]) {
    for (int k = 0; k < KINDS; k++) {
        const int64_t slot = next_random() % 2 != 0 ? 3600 : between(1, (int64_t)1 << 36), window = between(1, 9);
        opin_kind kind = {
            .slot = slot, .window = window, .per_slot = 1 / (double)slot, .per_window = 1 / (double)window,
            .opens = between(-9, 9) * 3600, .closes = between(-9, 9) * 3600, .activation = between(0, 3), .limit = between(-1, 99999),
            .alone = between(-1, 1), .last = LONGEST, .base = next_random() >> 9, .durations = 9, .variants = 3, .reach_count = 2,
            .number = (int16_t)k, .nearest = next_random() % 2 != 0, .supersedes = k == 1,
        };
        kind.from = keep(numbers(LONGEST + 1, 4, -1, LONGEST));
        kind.to = keep(numbers(LONGEST + 1, 4, -1, LONGEST));
        kind.index = keep(numbers(LONGEST + 1, 4, 0, LONGEST));
        kind.reaches = keep(numbers(6, 8, -((int64_t)1 << 41), (int64_t)1 << 41));
        kinds[k] = kind;
    }
    kinds[2].slot = kinds[1].slot;
    kinds[2].per_slot = kinds[1].per_slot;
    kinds[2].opens = kinds[1].opens;
    kinds[2].closes = kinds[1].closes;
    kinds[2].nearest = kinds[1].nearest;
    kinds[2].shares_grid = 1;
}

/* Returns the grants' windows and hashes in some order, as columns for the loops that come after. */
static void match(size_t n, opin_lives *lives, int16_t **grants, int64_t **starts, int64_t **durations) {
    opin_kind kinds[KINDS];
    make_kinds(kinds);
    const int64_t far = next_random() % 2 != 0 ? (int64_t)1 << 40 : 1000000;
    int64_t *const low = keep(numbers(n, 8, -far, far)), *const high = keep(numbers(n, 8, -far, far));
    *grants = keep(exactly(n * 2));
    *starts = keep(exactly(n * 8));
    *durations = keep(exactly(n * 8));
    opin_fit(kinds, KINDS, low, next_random() % 4 != 0 ? high : NULL, n, between(-far, far), *grants, *starts, *durations);
    *lives = (opin_lives){
        keep(exactly(n * 8)), keep(exactly(n * 8)), keep(exactly(n * 8)), keep(exactly(n)),     keep(exactly(n)),
        keep(exactly(n)),     keep(exactly(n * 4)), keep(exactly(n * 4)), keep(exactly(n * 4)), keep(exactly(n * 8)),
    };
    opin_live(kinds, *grants, *starts, *durations, n, lives);
}

/* Texts of up to 20 bytes, of which the short ones come twice. */
static void once(size_t n) {
    int64_t *const offsets = keep(exactly((n + 1) * 8));
    offsets[0] = between(0, 9);
    for (size_t i = 0; i < n; i++) {
        offsets[i + 1] = offsets[i] + between(0, 20);
    }
    uint8_t *const blob = keep(exactly((size_t)offsets[n]));
    for (int64_t i = 0; i < offsets[n]; i++) {
        blob[i] = (uint8_t)between(0, 1);
    }
    uint32_t *const places = keep(exactly(64 * 4));
    memset(places, 0, 64 * 4);
    if (opin_texts_once(blob, offsets, n, places, 6, keep(exactly(n * 8)), keep(exactly(n * 4))) > n) {
        exit(1);
    }
}

static void share(size_t n, const int16_t *grants, const int64_t *starts, const int64_t *durations) {
    const uint32_t low = (uint32_t)next_random();
    uint32_t *const devices = keep(numbers(n, 4, 0, 6)), *const windows = keep(numbers(n, 4, 0, 4)), *const places = keep(exactly(35 * 4));
    const size_t most = n < 35 ? n : 35;
    for (size_t i = 0; i < n; i++) {
        windows[i] += low;
    }
    memset(places, 0, 35 * 4);
    const uint32_t count = opin_pairs(devices, windows, n, low, 5, places, keep(exactly(most * 4)), keep(exactly(most * 4)),
                                      keep(exactly(n * 4)));
    uint64_t *const hashes = keep(exactly(n * 8));
    opin_place_hashes(keep(numbers(n, 8, 0, INT64_MAX - 1)), grants, starts, durations, n, hashes);
    if (count > most) {
        exit(1);
    }
    opin_tally_part parts[1 << OPIN_TALLY_BITS];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const opin_tally_part part = {keep(exactly(4 * 8)), 4, 0, 3};
        memset(part.cells, 0, 4 * 8);
        parts[i] = part;
    }
    const size_t counted = opin_tally_count(parts, hashes, n, keep(exactly(n)));
    if (counted < n) {
        opin_tally_part *const full = &parts[hashes[counted] >> (64 - OPIN_TALLY_BITS)];
        const opin_tally_part wider = {keep(exactly(9 * 8)), 9, 0, 6};
        memset(wider.cells, 0, 9 * 8);
        if (full->size != full->most) {
            exit(1);
        }
        opin_tally_part moved = wider;
        for (size_t i = 0; i < full->room; i++) {
            opin_tally_put(&moved, &full->cells[i], full->cells[i] != 0);
        }
        if (moved.size != full->size) {
            exit(1);
        }
    }
}

int main(void) {
    int batches = 0;
    for (; batches < BATCHES; batches++) {
        const size_t n = (size_t)batches % 41;
        opin_lives lives;
        int16_t *grants;
        int64_t *starts, *durations;
        match(n, &lives, &grants, &starts, &durations);
        once(n);
        share(n, grants, starts, durations);
        while (kept_count > 0) {
            free(kept[--kept_count]);
        }
    }
    printf("%d batches\n", batches);
    return 0;
}
