/* The loops over a batch's rows in which nothing is hashed: one pass over columns where numpy would take many. Every array is the caller's
 * and holds n rows; nothing is read or written outside, and nothing is checked: the Python side has done that. Times are readings of the
 * lock's clock below 2^40 s, and what a kind adds to them is below 2^42 s, so that 64 bits hold all sums. */
#ifndef OPIN_LOOPS_H
#define OPIN_LOOPS_H

#include <stddef.h>
#include <stdint.h>

/* --- matching and times: _loops_match.c ---------------------------------------------------------------------------- */

/* A kind of codes with its family's slots, and what a request allows. See KindTable in matching.py, which has the same under these names. */
typedef struct {
    int64_t slot, window;               /* seconds a slot, slots a window */
    int64_t opens, closes, activation;  /* the kind's, the last in slots and 0 for no such rule */
    int64_t limit;                      /* seconds by which each end may be moved, -1 for any */
    int64_t alone;                      /* the duration where no end is asked for, -1 if there is none */
    int64_t last;                       /* the last place of from and to */
    double per_slot, per_window;        /* 1 / slot, 1 / window */
    const int32_t *from, *to;           /* by slots: the shortest duration with an end that is as long, the longest that is no longer; or -1 */
    const int32_t *index;               /* by duration: its payload index */
    uint64_t base, durations, variants; /* the payloads of the kinds before; how many durations there are, and variants */
    const int64_t *reaches;             /* three slots for each reach of the family's kinds: see KindTable */
    size_t reach_count;
    int16_t number;      /* among all kinds of the profile */
    uint8_t nearest;     /* whether times are rounded to the nearest, else outward */
    uint8_t shares_grid; /* whether its slots and hours are those of the kind before it in the list */
    uint8_t supersedes;  /* whether it belongs to a group */
} opin_kind;

/* The best fit of each row for the readings [low, high), or without an end where high is NULL: the kind's number, -1 where the single path
 * must say; start and duration in its slots. present is the reading now. */
void opin_fit(const opin_kind *kinds, size_t count, const int64_t *low, const int64_t *high, size_t n, int64_t present, int16_t *numbers,
              int64_t *starts, int64_t *durations);

/* When grants hold and where they lie. Of a row without a kind everything is 0, and it has no window to try. */
typedef struct {
    int64_t *starts, *ends, *use_by; /* readings; the last two mean nothing where there is no end or no rule */
    uint8_t *no_end, *no_rule, *supersedes;
    uint32_t *own, *oldest, *newest; /* windows: its own, and those that a lock could try while it is alive; oldest > newest for none */
    uint64_t *payloads;              /* with variant 0 */
} opin_lives;

/* The lives of grants; kinds is the list of all kinds by their number. */
void opin_live(const opin_kind *kinds, const int16_t *numbers, const int64_t *starts, const int64_t *durations, size_t n,
               const opin_lives *lives);

/* --- rows that share something: _loops_share.c ---------------------------------------------------------------------- */

/* The distinct texts blob[offsets[i]] up to blob[offsets[i + 1]] by the rows in which they come first, and which of them each row is. places
 * holds 2^bits zeros, more than n; first has room for n. Returns how many there are. */
uint32_t opin_texts_once(const uint8_t *blob, const int64_t *offsets, size_t n, uint32_t *places, unsigned bits, int64_t *first,
                         uint32_t *index);

/* The distinct pairs of a device and a window, in the order in which they come first, and which of them each row is. Windows are low to
 * low + width - 1; places holds width zeros for each device; distinct arrays have room for all pairs there can be. Returns how many. */
uint32_t opin_pairs(const uint32_t *devices, const uint32_t *windows, size_t n, uint32_t low, size_t width, uint32_t *places,
                    uint32_t *distinct_devices, uint32_t *distinct_windows, uint32_t *index);

/* 64 bits for each row's device, kind, start and duration: a mixture (that of splitmix64) of 64 bits of the device and the rest. Never 0. */
void opin_place_hashes(const uint64_t *devices, const int16_t *numbers, const int64_t *starts, const int64_t *durations, size_t n,
                       uint64_t *hashes);

/* --- counts by hash: _loops_tally.c --------------------------------------------------------------------------------- */

enum {
    OPIN_TALLY_BITS = 4,    /* leading bits of a hash that say which part of a tally it stands in */
    OPIN_TALLY_EXACT = 255, /* a count that stays as it is when more are added */
};

/* An open-addressing table. A cell holds 56 bits of a hash, those after the first four, and below them a count of 1 to 255; 0 is empty. */
typedef struct {
    uint64_t *cells;
    size_t room; /* cells, at least one of them empty */
    size_t size; /* hashes, at most most */
    size_t most;
} opin_tally_part;

/* Count one more of each hash in turn, up to 254, and say what its count was; 0 for a hash that was not there. Stops where a part is full.
 * Returns how many of the n hashes were counted. */
size_t opin_tally_count(opin_tally_part *parts, const uint64_t *hashes, size_t n, uint8_t *before);

/* Put cells into a part that has room for them, each over what it held of that hash. */
void opin_tally_put(opin_tally_part *part, const uint64_t *cells, size_t n);

#endif
