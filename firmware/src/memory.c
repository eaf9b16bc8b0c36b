/* What the state says of a code: revoked, cleared, superseded, used, remembered; and what it forgets when time has passed. */
#include "opin_lock.h"

static const opin_kind *kind_of(const opin_lock *lock, const opin_grant *grant) {
    return &lock->profile->kinds[grant->kind];
}

static int64_t fresh_until(const opin_lock *lock, const opin_grant *grant) {
    opin_life life;
    opin_life_of(lock->profile, grant, &life);
    return life.fresh_until;
}

static int64_t starts(const opin_lock *lock, const opin_grant *grant) {
    opin_life life;
    opin_life_of(lock->profile, grant, &life);
    return life.starts;
}

/* Whether a clear code killed this code. */
bool opin_is_cleared(const opin_lock *lock, const opin_grant *grant) {
    return kind_of(lock, grant)->action <= OPIN_PASSAGE &&
           starts(lock, grant) < (int64_t)opin_get(lock->image + OPIN_AT_CLEARED, OPIN_TIME_BYTES);
}

/* Start and variant of the newest code of a group, as its 8 bytes compare. group from 1. */
static uint8_t *newest(const opin_lock *lock, uint32_t group) {
    return lock->image + OPIN_AT_GROUPS + OPIN_GROUP_BYTES * (group - 1);
}

static uint64_t rank(const opin_lock *lock, const opin_grant *grant) {
    return (uint64_t)starts(lock, grant) << 24 | grant->variant;
}

/* Whether a newer code of the grant's group was used. */
bool opin_is_superseded(const opin_lock *lock, const opin_grant *grant) {
    const uint32_t group = kind_of(lock, grant)->group;
    return group != 0 && rank(lock, grant) < opin_get(newest(lock, group), OPIN_GROUP_BYTES);
}

/* ---- Marks of single-use codes ---- */

/* The newest start slot that a mark of a kind can be of, by the floor. False if none can be. */
static bool newest_slot(const opin_lock *lock, const opin_kind *kind, uint32_t *slot) {
    uint32_t rest;
    const int64_t last = opin_floor(lock) + lock->profile->tolerance - kind->opens;
    *slot = last < 0 ? 0 : (uint32_t)opin_divide((uint64_t)last, lock->profile->families[kind->family].slot, &rest);
    return last >= 0;
}

static uint32_t modulo(uint32_t number, uint32_t divisor) {
    uint32_t rest;
    (void)opin_divide(number, divisor, &rest);
    return rest;
}

/* The bit of a grant's mark among all. */
static uint32_t mark_bit(const opin_lock *lock, const opin_grant *grant) {
    const opin_kind *const kind = kind_of(lock, grant);
    if (kind->ring == 0) {
        return kind->first_mark + grant->duration;
    }
    const uint32_t place = modulo(grant->start, kind->ring);
    return kind->first_mark + (place * kind->duration_count + grant->duration) * kind->variants + grant->variant;
}

/* Whether a mark's bit would stand for this very grant: a ring's place is shared by starts far apart. */
static bool is_markable(const opin_lock *lock, const opin_grant *grant) {
    const opin_kind *const kind = kind_of(lock, grant);
    uint32_t last;
    if (kind->ring == 0) {
        return rank(lock, grant) == opin_get(newest(lock, kind->group), OPIN_GROUP_BYTES);
    }
    return newest_slot(lock, kind, &last) && grant->start <= last && last - grant->start < kind->ring;
}

/* Whether a single-use code was used, by what is still known at t. */
bool opin_is_marked(const opin_lock *lock, const opin_grant *grant, int64_t t) {
    if (kind_of(lock, grant)->uses == 0 || !is_markable(lock, grant) || fresh_until(lock, grant) <= t) {
        return false;
    }
    const uint32_t bit = mark_bit(lock, grant);
    return (opin_marks_at(lock)[bit / 8] >> bit % 8 & 1) != 0;
}

void opin_mark(const opin_lock *lock, const opin_grant *grant) {
    const uint32_t bit = mark_bit(lock, grant);
    opin_marks_at(lock)[bit / 8] |= (uint8_t)(1U << bit % 8);
}

/* Clear the bits of a kind whose codes begin at one slot and are over at t. bit: the first of them. */
static void forget_slot(const opin_lock *lock, opin_grant *grant, uint32_t bit, int64_t t) {
    const opin_kind *const kind = kind_of(lock, grant);
    const uint32_t variants = kind->ring == 0 ? 1 : kind->variants;
    for (grant->duration = 0; grant->duration < kind->duration_count; grant->duration++) {
        const bool over = fresh_until(lock, grant) <= t;
        for (uint32_t i = 0; i < variants; i++, bit++) {
            if (over) {
                opin_marks_at(lock)[bit / 8] &= (uint8_t)~(1U << bit % 8);
            }
        }
    }
}

/* Forget every mark of a kind whose code is over at t. */
static void forget_marks(const opin_lock *lock, uint16_t index, int64_t t) {
    const opin_kind *const kind = &lock->profile->kinds[index];
    opin_grant grant = {0, 0, 0, index};
    uint32_t last;
    if (kind->ring == 0) {
        uint32_t rest;
        const int64_t start = (int64_t)opin_get(newest(lock, kind->group), OPIN_TIME_BYTES) - kind->opens;
        grant.start = start < 0 ? 0 : (uint32_t)opin_divide((uint64_t)start, lock->profile->families[kind->family].slot, &rest);
        forget_slot(lock, &grant, kind->first_mark, t);
    } else if (newest_slot(lock, kind, &last)) {
        const uint32_t newest_place = modulo(last, kind->ring);
        for (uint32_t place = 0; place < kind->ring; place++) {
            const uint32_t age = newest_place - place + (place > newest_place ? kind->ring : 0);
            grant.start = age > last ? 0 : last - age;
            forget_slot(lock, &grant, kind->first_mark + place * kind->duration_count * kind->variants, t);
        }
    }
}

/* A code of a group was used: older ones are dead, and the marks of those say no more. */
void opin_supersede(const opin_lock *lock, const opin_grant *grant) {
    const uint32_t group = kind_of(lock, grant)->group;
    if (rank(lock, grant) == opin_get(newest(lock, group), OPIN_GROUP_BYTES)) {
        return;
    }
    opin_put(newest(lock, group), OPIN_GROUP_BYTES, rank(lock, grant));
    for (uint32_t i = 0; i < lock->profile->kind_count; i++) {
        const opin_kind *const kind = &lock->profile->kinds[i];
        for (uint32_t bit = 0; kind->uses != 0 && kind->group == group && bit < kind->duration_count; bit++) {
            const uint32_t at = kind->first_mark + bit;
            opin_marks_at(lock)[at / 8] &= (uint8_t)~(1U << at % 8);
        }
    }
}

/* ---- Remembered codes ---- */

/* The entry of a remembered grant, or OPIN_FRESH. */
uint32_t opin_held(const opin_lock *lock, const opin_grant *grant) {
    const uint32_t count = opin_remembered(lock);
    for (uint32_t entry = 1; entry <= count; entry++) {
        opin_grant held;
        (void)opin_entry(lock, entry, &held);
        if (opin_same(&held, grant)) {
            return entry;
        }
    }
    return OPIN_FRESH;
}

static bool is_entry_revoked(const opin_lock *lock, uint32_t entry) {
    return (opin_entry_at(lock, entry)[OPIN_ENTRY_BYTES - 1] & 1) != 0;
}

/* Whether a remembered code could still open at t, or would open anew if it were forgotten. */
static bool matters(const opin_lock *lock, uint32_t entry, int64_t t) {
    opin_grant grant;
    const int64_t ends = opin_entry(lock, entry, &grant);
    if (opin_is_cleared(lock, &grant) || opin_is_superseded(lock, &grant)) {
        return false;
    }
    return ends == OPIN_NO_TIME || ends + lock->profile->tolerance > t || fresh_until(lock, &grant) > t;
}

/* How many codes would still be remembered at t. */
uint32_t opin_live_entries(const opin_lock *lock, int64_t t) {
    const uint32_t count = opin_remembered(lock);
    uint32_t live = 0;
    for (uint32_t entry = 1; entry <= count; entry++) {
        live += matters(lock, entry, t) ? 1U : 0U;
    }
    return live;
}

/* ---- Revocations ---- */

static uint64_t loose(const opin_lock *lock, uint32_t place) {
    return opin_get(opin_revoked_at(lock, place), OPIN_LOOSE_BYTES);
}

static uint32_t loose_count(const opin_lock *lock) {
    uint32_t count = 0;
    while (count < OPIN_LOOSE && loose(lock, count) != 0) {
        count++;
    }
    return count;
}

static bool is_loose(const opin_lock *lock, const opin_grant *grant) {
    const uint64_t number = opin_pack(lock->profile, grant, OPIN_NO_TIME) + 1;
    for (uint32_t place = 0; place < OPIN_LOOSE; place++) {
        if (loose(lock, place) == number) {
            return true;
        }
    }
    return false;
}

/* Whether a code was revoked, by what is still known at t. */
bool opin_is_revoked(const opin_lock *lock, const opin_grant *grant, int64_t t) {
    const uint32_t entry = opin_held(lock, grant);
    if (entry != OPIN_FRESH) {
        return is_entry_revoked(lock, entry) && matters(lock, entry, t);
    }
    return is_loose(lock, grant) && fresh_until(lock, grant) > t;
}

/* Whether a revocation has a place. */
bool opin_can_revoke(const opin_lock *lock, const opin_grant *grant) {
    return is_loose(lock, grant) || opin_held(lock, grant) != OPIN_FRESH || loose_count(lock) < OPIN_LOOSE;
}

/* The order of grants: kind, start, duration, variant. */
static bool is_before(const opin_lock *lock, const opin_grant *a, const opin_grant *b) {
    const opin_kind *const kind = kind_of(lock, a);
    if (a->kind != b->kind) {
        return a->kind < b->kind;
    }
    if (a->start != b->start) {
        return a->start < b->start;
    }
    if (a->duration != b->duration) {
        return opin_duration(kind, a->duration) < opin_duration(kind, b->duration);
    }
    return a->variant < b->variant;
}

/* Keep a revocation of a code that is not remembered, in its order; opin_can_revoke has said that there is a place. */
static void revoke_loose(const opin_lock *lock, const opin_grant *grant) {
    uint32_t place = loose_count(lock);
    if (is_loose(lock, grant) || place == OPIN_LOOSE) {
        return;
    }
    for (; place > 0; place--) {
        opin_grant other;
        (void)opin_unpack(lock->profile, loose(lock, place - 1) - 1, &other);
        if (is_before(lock, &other, grant)) {
            break;
        }
        memcpy(opin_revoked_at(lock, place), opin_revoked_at(lock, place - 1), OPIN_LOOSE_BYTES);
    }
    opin_put(opin_revoked_at(lock, place), OPIN_LOOSE_BYTES, opin_pack(lock->profile, grant, OPIN_NO_TIME) + 1);
}

/* Revoke a code. */
void opin_revoke(const opin_lock *lock, const opin_grant *grant) {
    const uint32_t entry = opin_held(lock, grant);
    if (entry == OPIN_FRESH) {
        revoke_loose(lock, grant);
    } else {
        opin_entry_at(lock, entry)[OPIN_ENTRY_BYTES - 1] |= 1;
    }
}

/* ---- Forgetting ---- */

/* Move count records of size bytes down over one that is dropped, and zero the last. */
static void drop(uint8_t *bytes, uint32_t size, uint32_t count) {
    for (uint32_t i = 0; i < size * (count - 1); i++) {
        bytes[i] = bytes[i + size];
    }
    memset(bytes + size * (count - 1), 0, size);
}

static void forget_loose(const opin_lock *lock, int64_t t) {
    uint32_t count = loose_count(lock), place = 0;
    while (place < count) {
        opin_grant grant;
        (void)opin_unpack(lock->profile, loose(lock, place) - 1, &grant);
        if (fresh_until(lock, &grant) > t && !opin_is_cleared(lock, &grant) && !opin_is_superseded(lock, &grant)) {
            place++;
        } else {
            drop(opin_revoked_at(lock, place), OPIN_LOOSE_BYTES, count - place);
            count--;
        }
    }
}

static void forget_entries(const opin_lock *lock, int64_t t) {
    uint32_t count = opin_remembered(lock), entry = 1;
    while (entry <= count) {
        if (matters(lock, entry, t)) {
            entry++;
        } else {
            drop(opin_entry_at(lock, entry), OPIN_ENTRY_BYTES, count - entry + 1);
            count--;
        }
    }
}

static void forget_personal(const opin_lock *lock, int64_t t) {
    uint8_t *const bytes = opin_entry_at(lock, OPIN_PERSONAL);
    opin_grant grant;
    if (!opin_has_entry(lock, OPIN_PERSONAL)) {
        return;
    }
    const int64_t ends = opin_entry(lock, OPIN_PERSONAL, &grant);
    if (ends != OPIN_NO_TIME && ends + lock->profile->tolerance <= t) {
        memset(bytes, 0, OPIN_ENTRY_BYTES);
        return;
    }
    const bool revoked = opin_is_revoked(lock, &grant, t);
    bytes[OPIN_ENTRY_BYTES - 1] = (uint8_t)((bytes[OPIN_ENTRY_BYTES - 1] & 0xFEU) | (revoked ? 1U : 0U));
}

/* Forget what cannot matter from t on, and make t the floor. */
void opin_move_floor(const opin_lock *lock, int64_t t) {
    for (uint16_t i = 0; i < lock->profile->kind_count; i++) {
        if (lock->profile->kinds[i].uses != 0) {
            forget_marks(lock, i, t);
        }
    }
    forget_loose(lock, t);
    forget_entries(lock, t);
    forget_personal(lock, t);
    opin_put(lock->image + OPIN_AT_FLOOR, OPIN_TIME_BYTES, (uint64_t)t);
}
