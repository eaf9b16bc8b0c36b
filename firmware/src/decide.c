/* The lock's decision on a typed text (section 9) and what an accepted code does to the state (section 10). */
#include "opin_lock.h"

/* One way to read a text; of several the best is kept. */
typedef struct {
    opin_reason reason;
    opin_grant grant;
    uint32_t entry; /* by which the lock knows it, or OPIN_FRESH */
    int64_t ends;   /* the entry's */
    uint8_t tag[OPIN_TAG_BYTES];
} opin_reading;

/* What is the same for all readings of an entry. */
typedef struct {
    const opin_lock *lock;
    int64_t now, t;
    opin_reading best;
} opin_judging;

static const opin_kind *kind_of(const opin_lock *lock, const opin_grant *grant) {
    return &lock->profile->kinds[grant->kind];
}

/* ---- Steps 1 to 4 ---- */

/* Seconds that the lock stays locked after its last charge. */
static uint32_t wait_after(const opin_profile *profile, uint32_t failures) {
    uint64_t wait = profile->delay;
    if (failures <= profile->free) {
        return 0;
    }
    for (uint32_t over = failures - profile->free; over > 1 && profile->growth > 1 && wait > 0 && wait < profile->cap; over--) {
        wait *= profile->growth;
    }
    return wait < profile->cap ? (uint32_t)wait : profile->cap;
}

/* The texts that an entry may mean are its ends of at most `length` keys, longest first; without masking only the whole. */
static uint32_t shortest(const opin_lock *lock, uint32_t length) {
    return lock->profile->masking ? 1 : length;
}

/* Whether an entry can be a personal code: only if no family claims it. */
static bool may_be_personal(const opin_lock *lock, uint32_t length) {
    return length == OPIN_PERSONAL_LENGTH && opin_has_entry(lock, OPIN_PERSONAL);
}

/* False: refused. True: charged, and the state is to be committed before anything is deciphered. */
bool opin_admit(opin_lock *lock, int64_t now, uint32_t uptime, const char *text, uint32_t length, opin_decision *refusal) {
    const opin_profile *const profile = lock->profile;
    const uint32_t elapsed = uptime - (lock->charged_at <= uptime ? lock->charged_at : 0);
    uint32_t failures = (uint32_t)opin_get(lock->image + OPIN_AT_FAILURES, 2), rest;
    const uint32_t wait = wait_after(profile, failures);
    bool is_claimed = false, sets_clock = false;
    if (wait > elapsed) {
        refusal->reason = OPIN_THROTTLED;
        refusal->wait = wait - elapsed;
        return false;
    }
    for (uint32_t count = length; count > 0 && count >= shortest(lock, length); count--) {
        opin_claim claim;
        if (opin_claims(profile, text + length - count, count, &claim)) {
            is_claimed = true;
            sets_clock = sets_clock || profile->families[claim.family].sets_clock;
        }
    }
    if (!is_claimed && !may_be_personal(lock, length)) {
        refusal->reason = OPIN_MALFORMED;
        return false;
    }
    if (now == OPIN_NO_TIME && !sets_clock) {
        refusal->reason = OPIN_CLOCK_LOST;
        return false;
    }
    if (lock->has_refused) {
        uint8_t tag[OPIN_TAG_BYTES];
        opin_tag(tag, opin_token_of(lock), text, length);
        if (opin_equal(tag, lock->refused, OPIN_TAG_BYTES)) {
            return true;
        }
    }
    const uint32_t leaked = (uint32_t)opin_divide(elapsed, profile->leak, &rest);
    failures = failures > leaked ? failures - leaked : 0;
    opin_put(lock->image + OPIN_AT_FAILURES, 2, failures < UINT16_MAX ? failures + 1 : UINT16_MAX);
    lock->charged_at = uptime;
    return true;
}

/* ---- Step 5: the windows ---- */

/* Of the windows from `first` to `last` the least from `from` on, if it is less than *least. */
static void offer(uint32_t first, uint32_t last, uint32_t from, uint64_t *least) {
    const uint32_t window = first > from ? first : from;
    if (window <= last && window < *least) {
        *least = window;
    }
}

/* A time of the clock as a slot; 0 before the first. */
static uint32_t slot_of(const opin_family *family, int64_t t) {
    uint32_t rest;
    return t < 0 ? 0 : (uint32_t)opin_divide((uint64_t)t, family->slot, &rest);
}

static uint32_t window_of(const opin_family *family, uint32_t slot) {
    uint32_t rest;
    return (uint32_t)opin_divide(slot, family->window, &rest);
}

/* The windows that hold a start from which a fresh code of a family could be valid at t. */
static void offer_candidates(const opin_profile *profile, const opin_family *family, int64_t t, uint32_t from, uint64_t *least) {
    uint32_t oldest = UINT32_MAX, newest = 0;
    if (family->sets_clock) {
        const uint32_t window = window_of(family, slot_of(family, t));
        offer(window, window + 1, from, least);
        return;
    }
    for (uint32_t i = 0; i < family->kind_count; i++) {
        const opin_kind *const kind = &profile->kinds[family->first_kind + i];
        const uint32_t first = t < kind->earliest ? 0 : slot_of(family, t - kind->earliest) + 1;
        const uint32_t last = slot_of(family, t + kind->latest);
        if (t + kind->latest >= 0 && first <= last) {
            oldest = first < oldest ? first : oldest;
            newest = last > newest ? last : newest;
        }
    }
    if (oldest <= newest) {
        offer(window_of(family, oldest), window_of(family, newest), from, least);
    }
}

/* The least window to try from `from` on: one of a fresh code, or for a family that revokes one of a code remembered. */
OPIN_APART static uint64_t next_window(const opin_judging *judging, uint32_t index, uint32_t from) {
    const opin_lock *const lock = judging->lock;
    const opin_profile *const profile = lock->profile;
    const opin_family *const family = &profile->families[index];
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < family->kind_count; i++) {
        const opin_kind *const kind = &profile->kinds[family->first_kind + i];
        if (kind->action != OPIN_REVOKE) {
            continue;
        }
        const uint32_t about = profile->kinds[kind->about].family;
        const uint32_t count = opin_remembered(lock);
        offer_candidates(profile, &profile->families[about], judging->t, from, &least);
        for (uint32_t entry = 1; entry <= count; entry++) {
            opin_grant held;
            (void)opin_entry(lock, entry, &held);
            if (profile->kinds[held.kind].family == about) {
                const uint32_t window = window_of(family, held.start);
                offer(window, window, from, &least);
            }
        }
    }
    offer_candidates(profile, family, family->sets_clock ? opin_floor(lock) : judging->t, from, &least);
    return least;
}

/* ---- Step 6: the reasons ---- */

/* Whether the lock learns from a code what time it is at least. */
static bool moves_floor(const opin_lock *lock, const opin_grant *grant, uint32_t entry) {
    const opin_kind *const kind = kind_of(lock, grant);
    return opin_is_time_bound(kind) && (entry == OPIN_FRESH || opin_duration(kind, grant->duration) > 0);
}

static bool is_open_at(const opin_kind *kind, int64_t t) {
    uint32_t second, weekday;
    const uint64_t day = opin_divide((uint64_t)t, 86400, &second);
    (void)opin_divide(day + 3, 7, &weekday); /* day 0 was a Thursday, bit 0 is Monday */
    return kind->hours_from <= second && second < kind->hours_to && (kind->weekdays >> weekday & 1) != 0;
}

/* The code that a revoke code is about. */
static opin_grant target(const opin_kind *kind, const opin_grant *grant) {
    const opin_grant about = {grant->start, grant->duration, grant->variant, kind->about};
    return about;
}

static opin_reason reason_in_time(const opin_lock *lock, const opin_reading *reading, const opin_life *life, int64_t t, int64_t known) {
    const opin_kind *const kind = kind_of(lock, &reading->grant);
    const int64_t tolerance = lock->profile->tolerance;
    const bool is_fresh = reading->entry == OPIN_FRESH;
    const int64_t ends = is_fresh ? life->ends : reading->ends;
    if (t < life->starts - tolerance) {
        return OPIN_TOO_EARLY;
    }
    if (is_fresh && life->lapses && t >= life->fresh_until) {
        return OPIN_LAPSED;
    }
    if (ends != OPIN_NO_TIME && t >= ends + tolerance) {
        return OPIN_EXPIRED;
    }
    if (!is_open_at(kind, t)) {
        return OPIN_OUTSIDE_HOURS;
    }
    return is_fresh && opin_remembers(kind, life) && opin_live_entries(lock, known) >= lock->profile->capacity ? OPIN_FULL : OPIN_OPENED;
}

/* The reason for one reading, in the page's order. */
OPIN_APART static opin_reason reason_for(const opin_judging *judging, const opin_reading *reading) {
    const opin_lock *const lock = judging->lock;
    const opin_grant *const grant = &reading->grant;
    const opin_kind *const kind = kind_of(lock, grant);
    const int64_t known = moves_floor(lock, grant, reading->entry) ? judging->t : opin_floor(lock);
    opin_life life;
    opin_life_of(lock->profile, grant, &life);
    if (opin_is_revoked(lock, grant, known) || opin_is_cleared(lock, grant)) {
        return OPIN_REVOKED;
    }
    if (opin_is_superseded(lock, grant)) {
        return OPIN_SUPERSEDED;
    }
    if (opin_is_marked(lock, grant, known)) {
        return OPIN_USED;
    }
    if (kind->action == OPIN_SET_CLOCK) {
        return life.starts > opin_floor(lock) ? OPIN_OPENED : OPIN_EXPIRED;
    }
    if (kind->action == OPIN_REVOKE) {
        const opin_grant about = target(kind, grant);
        return opin_can_revoke(lock, &about) ? OPIN_OPENED : OPIN_FULL;
    }
    return reason_in_time(lock, reading, &life, judging->t, known);
}

/* Give a reading its reason, and keep it if it is better than the best so far. */
OPIN_APART static void weigh(opin_judging *judging, opin_reading *reading) {
    if (judging->now == OPIN_NO_TIME && kind_of(judging->lock, &reading->grant)->action != OPIN_SET_CLOCK) {
        return;
    }
    reading->reason = reason_for(judging, reading);
    if (reading->reason < judging->best.reason) {
        judging->best = *reading;
    }
}

/* Judge one text that a family claims, or (claim NULL) that may be the personal code. The same work whatever the text is. */
static void consider(opin_judging *judging, const char *text, uint32_t length, const opin_claim *claim) {
    const opin_lock *const lock = judging->lock;
    const uint32_t first = claim != NULL ? 1 : OPIN_PERSONAL;
    const uint32_t last = claim != NULL ? opin_remembered(lock) : OPIN_PERSONAL;
    opin_reading reading = {.entry = OPIN_FRESH};
    opin_tag(reading.tag, opin_token_of(lock), text, length);
    for (uint32_t entry = first; entry <= last; entry++) {
        if (opin_equal(opin_entry_at(lock, entry), reading.tag, OPIN_TAG_BYTES)) {
            reading.entry = entry;
        }
    }
    const bool is_held = reading.entry != OPIN_FRESH;
    opin_grant held = {0};
    if (is_held) {
        reading.ends = opin_entry(lock, reading.entry, &reading.grant);
        held = reading.grant;
        weigh(judging, &reading);
    }
    if (claim == NULL) {
        return;
    }
    reading.entry = OPIN_FRESH;
    for (uint64_t window = 0; (window = next_window(judging, claim->family, (uint32_t)window)) < UINT32_MAX; window++) {
        const uint64_t payload = opin_open(lock->profile, opin_token_of(lock), claim, (uint32_t)window);
        if (opin_decode(lock->profile, claim->family, (uint32_t)window, payload, &reading.grant) &&
            !(is_held && opin_same(&reading.grant, &held))) {
            weigh(judging, &reading);
        }
    }
}

/* ---- Step 7: the marks ---- */

/* What an accepted code does beyond the bolt. */
OPIN_APART static void act(opin_lock *lock, const opin_grant *grant, int64_t starts, int64_t t) {
    const opin_profile *const profile = lock->profile;
    uint8_t *const image = lock->image;
    switch (kind_of(lock, grant)->action) {
    case OPIN_PASSAGE:
        image[OPIN_AT_PASSAGE] ^= 1;
        break;
    case OPIN_CLEAR:
        if ((int64_t)opin_get(image + OPIN_AT_CLEARED, OPIN_TIME_BYTES) < starts) {
            opin_put(image + OPIN_AT_CLEARED, OPIN_TIME_BYTES, (uint64_t)starts);
        }
        image[OPIN_AT_PASSAGE] = 0;
        break;
    case OPIN_SET_CLOCK:
        t = starts;
        break;
    case OPIN_ROTATE: {
        const uint32_t next = opin_generation(lock) + 1;
        image[OPIN_AT_PASSAGE] = 0;
        memset(image + OPIN_AT_CLEARED, 0, opin_state_bytes(profile) - OPIN_AT_CLEARED);
        opin_put(image + OPIN_AT_GENERATION, 4, next);
        opin_put(image + OPIN_AT_FLOOR, OPIN_TIME_BYTES, (uint64_t)t);
        opin_step(opin_token_of(lock), next);
        lock->has_refused = false;
        return;
    }
    case OPIN_REVOKE: {
        const opin_grant about = target(kind_of(lock, grant), grant);
        opin_revoke(lock, &about);
        break;
    }
    default:
        break;
    }
    opin_move_floor(lock, kind_of(lock, grant)->action == OPIN_SET_CLOCK ? t : opin_floor(lock));
}

/* Make an accepted code's marks in the state. */
OPIN_APART static void use(opin_lock *lock, const opin_reading *reading, int64_t t) {
    const opin_grant *const grant = &reading->grant;
    const opin_kind *const kind = kind_of(lock, grant);
    opin_life life;
    opin_life_of(lock->profile, grant, &life);
    opin_move_floor(lock, moves_floor(lock, grant, reading->entry) ? t : opin_floor(lock));
    if (kind->group != 0) {
        opin_supersede(lock, grant);
    }
    if (kind->uses != 0 && opin_is_time_bound(kind)) {
        opin_mark(lock, grant);
    }
    if (reading->entry == OPIN_FRESH && opin_remembers(kind, &life)) {
        const int64_t lingers = t + kind->linger;
        const bool shorter = kind->linger != 0 && (life.ends == OPIN_NO_TIME || lingers < life.ends);
        opin_set_entry(lock, opin_remembered(lock) + 1, reading->tag, grant, shorter ? lingers : life.ends);
    }
    act(lock, grant, life.starts, t);
}

/* Steps 5 to 7 up to the bolt. An accepted code's marks are in the state then. */
void opin_judge(opin_lock *lock, int64_t now, const char *text, uint32_t length, opin_decision *decision) {
    opin_judging judging = {.lock = lock, .now = now, .t = opin_floor(lock), .best = {.reason = OPIN_UNKNOWN}};
    bool is_claimed = false;
    judging.t = now > judging.t ? now : judging.t;
    for (uint32_t count = length; count > 0 && count >= shortest(lock, length); count--) {
        opin_claim claim;
        if (opin_claims(lock->profile, text + length - count, count, &claim)) {
            is_claimed = true;
            consider(&judging, text + length - count, count, &claim);
        }
    }
    if (!is_claimed && may_be_personal(lock, length)) {
        consider(&judging, text, length, NULL);
    }
    decision->reason = judging.best.reason;
    decision->has_grant = judging.best.reason != OPIN_UNKNOWN;
    decision->grant = judging.best.grant;
    if (judging.best.reason != OPIN_OPENED) {
        opin_tag(lock->refused, opin_token_of(lock), text, length);
        lock->has_refused = true;
        return;
    }
    decision->action = (opin_action)kind_of(lock, &decision->grant)->action;
    use(lock, &judging.best, judging.t);
}

/* The holder of a code that has just opened chose a personal code. False if it cannot be one. */
bool opin_choose_personal(const opin_lock *lock, const opin_grant *grant, const char *text, uint32_t length) {
    const uint32_t entry = opin_held(lock, grant);
    opin_grant same;
    opin_claim claim;
    opin_life life;
    uint8_t tag[OPIN_TAG_BYTES];
    if (lock->profile->kinds[grant->kind].uses != 0 || length != OPIN_PERSONAL_LENGTH || opin_claims(lock->profile, text, length, &claim)) {
        return false;
    }
    for (uint32_t i = 0; i < length; i++) {
        if (opin_digit(lock->profile, text[i]) == lock->profile->radix) {
            return false;
        }
    }
    opin_life_of(lock->profile, grant, &life);
    opin_tag(tag, opin_token_of(lock), text, length);
    opin_set_entry(lock, OPIN_PERSONAL, tag, grant, entry == OPIN_FRESH ? life.ends : opin_entry(lock, entry, &same));
    opin_move_floor(lock, opin_floor(lock));
    return true;
}
