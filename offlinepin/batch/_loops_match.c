/* From readings to grants, and from grants to their times and payloads: what matching.py does with numpy, row by row. */
#include "_loops.h"

/* The whole number of bs in a, rounded down; inverse is 1 / b. |a| below 2^43: the product is off by less than one, which is mended. Much
 * faster than a division. */
static int64_t floor_of(int64_t a, int64_t b, double inverse) {
    const int64_t quotient = (int64_t)((double)a * inverse), rest = a - quotient * b;
    return quotient + (rest >= b) - (rest < 0);
}

static int64_t slots_of(const opin_kind *kind, int64_t seconds) {
    return floor_of(seconds, kind->slot, kind->per_slot);
}

static int64_t window_of(const opin_kind *kind, int64_t slot) {
    return floor_of(slot, kind->window, kind->per_window);
}

static int64_t clipped(int64_t slots, int64_t last) {
    return slots < 0 ? 0 : slots > last ? last : slots;
}

static int64_t absolute(int64_t seconds) {
    return seconds < 0 ? -seconds : seconds;
}

static int64_t begins(const opin_kind *kind, int64_t start) {
    return start * kind->slot + kind->opens;
}

static int64_t closes(const opin_kind *kind, int64_t start, int64_t duration) {
    return (start + duration) * kind->slot + kind->closes;
}

static int lapses(const opin_kind *kind, int64_t duration) {
    return kind->activation != 0 && (duration == 0 || duration > kind->activation);
}

/* The duration for an end; -1 where there is none. */
static int64_t duration_of(const opin_kind *kind, int64_t start, int64_t needed, int64_t high) {
    const int64_t up = kind->from[clipped(needed, kind->last)];
    if (kind->nearest == 0) {
        return up;
    }
    const int64_t down = needed > 0 ? kind->to[clipped(needed - 1, kind->last)] : -1;
    return up >= 0 && (down < 0 || closes(kind, start, up) - high <= high - closes(kind, start, down)) ? up : down;
}

/* One request, and the best fit for it so far. */
typedef struct {
    int64_t low, high, present;
    int has_end;
    int64_t excess, start, duration;
    int number; /* -1: none */
} row_fit;

/* Try one kind. Returns whether the single path must say. */
static int try_kind(const opin_kind *kind, int64_t start, int64_t needed, row_fit *row) {
    const int64_t duration = row->has_end ? duration_of(kind, start, needed, row->high) : kind->alone;
    int64_t before = row->low - begins(kind, start);
    int64_t after = row->has_end && duration != 0 ? closes(kind, start, duration) - row->high : 0;
    if (kind->nearest != 0) {
        before = absolute(before);
        after = absolute(after);
    }
    const int served = duration >= 0 && (kind->limit < 0 || (before <= kind->limit && after <= kind->limit)) &&
                       (duration == 0 || closes(kind, start, duration) > row->present);
    if (served && before + after < row->excess) {
        row->excess = before + after;
        row->start = start;
        row->duration = duration;
        row->number = kind->number;
    }
    if (start < 0 || (start > (int64_t)UINT32_MAX && window_of(kind, start) > (int64_t)UINT32_MAX)) {
        return 1;
    }
    const int64_t use_by = (served ? begins(kind, start) : row->low) + kind->activation * kind->slot;
    return kind->activation != 0 && use_by <= row->present && (!served || lapses(kind, duration));
}

/* Whether no kind can send a row with low at least earliest and at most latest to the single path. */
static int is_quiet(const opin_kind *kinds, size_t count, int64_t earliest, int64_t latest, int64_t present) {
    for (size_t k = 0; k < count; k++) {
        const opin_kind *const kind = &kinds[k];
        const int lapsing = kind->activation != 0 && earliest + (kind->activation - 1) * kind->slot <= present;
        if (earliest < kind->opens || lapsing || slots_of(kind, latest - kind->opens) >= (int64_t)UINT32_MAX) {
            return 0;
        }
    }
    return 1;
}

void opin_fit(const opin_kind *kinds, size_t count, const int64_t *low, const int64_t *high, size_t n, int64_t present, int16_t *numbers,
              int64_t *starts, int64_t *durations) {
    int64_t earliest = n > 0 ? low[0] : 0, latest = earliest;
    for (size_t i = 0; i < n; i++) {
        earliest = low[i] < earliest ? low[i] : earliest;
        latest = low[i] > latest ? low[i] : latest;
    }
    const int quiet = is_quiet(kinds, count, earliest, latest, present);
    for (size_t i = 0; i < n; i++) {
        row_fit row = {low[i], high != NULL ? high[i] : 0, present, high != NULL, INT64_MAX, 0, 0, -1};
        int64_t start = 0, needed = 0;
        int single = 0;
        for (size_t k = 0; k < count && (row.excess != 0 || !quiet); k++) { /* nothing fits better than exactly */
            const opin_kind *const kind = &kinds[k];
            if (kind->shares_grid == 0) {
                start = slots_of(kind, row.low - kind->opens + (kind->nearest != 0 ? kind->slot / 2 : 0));
                needed = -slots_of(kind, start * kind->slot + kind->closes - row.high);
            }
            single |= try_kind(kind, start, needed, &row);
        }
        numbers[i] = (int16_t)(single ? -1 : row.number);
        starts[i] = row.start;
        durations[i] = row.duration;
    }
}

/* The windows of the slots from which a code could be valid at some time at which this one is. */
static void windows_of(const opin_kind *kind, int64_t start, int64_t duration, uint32_t *oldest, uint32_t *newest) {
    int64_t low = INT64_MAX, high = -1;
    for (const int64_t *reach = kind->reaches; reach < kind->reaches + 3 * kind->reach_count; reach += 3) {
        const int64_t from = start + reach[0] > 0 ? start + reach[0] : 0;
        const int64_t to = start + (duration == 0 ? reach[2] : duration + reach[1]);
        if (from <= to) {
            low = from < low ? from : low;
            high = to > high ? to : high;
        }
    }
    *oldest = 1;
    *newest = 0;
    if (low > high) {
        return;
    }
    const int64_t least = window_of(kind, low), most = window_of(kind, high);
    if (least <= (int64_t)UINT32_MAX) {
        *oldest = (uint32_t)least;
        *newest = most < (int64_t)UINT32_MAX ? (uint32_t)most : UINT32_MAX;
    }
}

void opin_live(const opin_kind *kinds, const int16_t *numbers, const int64_t *starts, const int64_t *durations, size_t n,
               const opin_lives *lives) {
    for (size_t i = 0; i < n; i++) {
        if (numbers[i] < 0) {
            lives->starts[i] = lives->ends[i] = lives->use_by[i] = 0;
            lives->no_end[i] = lives->no_rule[i] = lives->supersedes[i] = 0;
            lives->own[i] = lives->newest[i] = 0;
            lives->oldest[i] = 1;
            lives->payloads[i] = 0;
            continue;
        }
        const opin_kind *const kind = &kinds[numbers[i]];
        const int64_t start = starts[i], duration = durations[i], window = window_of(kind, start);
        const int64_t from = begins(kind, start), to = closes(kind, start, duration), use_by = from + kind->activation * kind->slot;
        const uint64_t place = (uint64_t)(start - window * kind->window) * kind->durations + (uint64_t)kind->index[duration];
        lives->starts[i] = from;
        lives->ends[i] = to;
        lives->use_by[i] = use_by;
        lives->no_end[i] = duration == 0;
        lives->no_rule[i] = !lapses(kind, duration);
        lives->supersedes[i] = kind->supersedes;
        lives->own[i] = (uint32_t)window;
        lives->payloads[i] = kind->base + place * kind->variants;
        windows_of(kind, start, duration, &lives->oldest[i], &lives->newest[i]);
    }
}
