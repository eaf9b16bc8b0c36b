/* What the state says of a code: revoked, cleared, superseded, used, remembered; and what it forgets when time has passed. */
#include "opin_lock.h"

/* Whether a clear code killed this code. */
OPIN_LOCAL bool opin_is_cleared(const opin_lock *lock, const opin_code *code) {
    return code->kind->action <= OPIN_PASSAGE && code->starts < opin_time_at(lock, OPIN_AT_CLEARED);
}

/* Start and variant of the newest code of a kind's group, as its 8 bytes compare. */
static uint8_t *newest_of_group(const opin_lock *lock, const opin_kind *kind) {
    return OPIN_IMAGE(lock) + OPIN_AT_GROUPS + OPIN_GROUP_BYTES * (kind->group - 1);
}

static uint64_t rank(const opin_code *code) {
    return (uint64_t)code->starts << 24 | code->grant.variant;
}

static bool has_group(const opin_lock *lock, const opin_kind *kind) {
    return OPIN_PROFILE(lock)->group_count != 0 && kind->group != 0;
}

/* Whether a newer code of the code's group was used. */
OPIN_LOCAL bool opin_is_superseded(const opin_lock *lock, const opin_code *code) {
    return has_group(lock, code->kind) && rank(code) < opin_packed_at(newest_of_group(lock, code->kind));
}

/* ---- Marks of single-use codes ---- */

/* The marks of a kind that supersedes are those of the newest code alone. */
static bool has_ring(const opin_lock *lock, const opin_kind *kind) {
    return !has_group(lock, kind);
}

/* The newest start slot that a mark of a kind can be of, by the floor. */
static uint32_t newest_slot(const opin_lock *lock, const opin_kind *kind) {
    return opin_divide(opin_floor(lock) + OPIN_PROFILE(lock)->tolerance - (uint32_t)kind->opens, kind->slot);
}

/* The bit of a code's mark among all. */
static uint32_t mark_bit(const opin_lock *lock, const opin_code *code) {
    const opin_kind *const kind = code->kind;
    const opin_grant *const grant = &code->grant;
    if (!has_ring(lock, kind)) {
        return kind->first_mark + grant->duration;
    }
    const uint32_t place = opin_rest(grant->start, kind->ring);
    return kind->first_mark + (place * kind->duration_count + grant->duration) * kind->variants + grant->variant;
}

/* Whether a mark's bit would stand for this very code: a ring's place is shared by starts far apart. */
static bool is_markable(const opin_lock *lock, const opin_code *code) {
    return has_ring(lock, code->kind) ? newest_slot(lock, code->kind) - code->grant.start < code->kind->ring
                                      : rank(code) == opin_packed_at(newest_of_group(lock, code->kind));
}

/* Whether a single-use code was used, by what is still known at t. */
OPIN_LOCAL bool opin_is_marked(const opin_lock *lock, const opin_code *code, uint32_t t) {
    if (code->kind->uses == 0 || code->fresh_until <= t || !is_markable(lock, code)) {
        return false;
    }
    const uint32_t bit = mark_bit(lock, code);
    return (opin_marks(lock)[bit / 8] >> bit % 8 & 1) != 0;
}

OPIN_LOCAL void opin_mark(const opin_lock *lock, const opin_code *code) {
    const uint32_t bit = mark_bit(lock, code);
    opin_marks(lock)[bit / 8] |= (uint8_t)(1U << bit % 8);
}

static void clear_mark(const opin_lock *lock, uint32_t bit) {
    opin_marks(lock)[bit / 8] &= (uint8_t)~(1U << bit % 8);
}

/* Forget the marks of codes of one kind and start that are over at t. */
static void forget_slot(const opin_lock *lock, opin_code *code, uint32_t t) {
    const opin_kind *const kind = code->kind;
    code->grant.duration = 0;
    code->grant.variant = 0;
    uint32_t bit = mark_bit(lock, code);
    for (; code->grant.duration < kind->duration_count; code->grant.duration++) {
        opin_look_up(OPIN_PROFILE(lock), code);
        const bool over = code->fresh_until <= t;
        for (uint32_t left = has_ring(lock, kind) ? kind->variants : 1; left > 0; left--, bit++) {
            if (over) {
                clear_mark(lock, bit);
            }
        }
    }
}

static void forget_marks(const opin_lock *lock, uint32_t t) {
    const opin_profile *const profile = OPIN_PROFILE(lock);
    opin_code code;
    for (code.grant.kind = 0; code.grant.kind < profile->kind_count; code.grant.kind++) {
        const opin_kind *const kind = code.kind = &profile->kinds[code.grant.kind];
        if (kind->uses == 0) {
            continue;
        }
        if (has_ring(lock, kind)) {
            code.grant.start = newest_slot(lock, kind);
            for (uint32_t left = kind->ring; left > 0 && code.grant.start != UINT32_MAX; left--, code.grant.start--) {
                forget_slot(lock, &code, t);
            }
        } else {
            code.grant.start = opin_divide(opin_get(newest_of_group(lock, kind) + 1) - (uint32_t)kind->opens, kind->slot);
            forget_slot(lock, &code, t);
        }
    }
}

/* A code of a group was used: older ones are dead, and the marks of those say no more. */
OPIN_LOCAL void opin_supersede(const opin_lock *lock, const opin_code *code) {
    const opin_profile *const profile = OPIN_PROFILE(lock);
    uint8_t *const latest = newest_of_group(lock, code->kind);
    if (rank(code) == opin_packed_at(latest)) {
        return;
    }
    opin_put_packed(latest, rank(code));
    for (const opin_kind *kind = profile->kinds; kind < profile->kinds + profile->kind_count; kind++) {
        for (uint32_t bit = 0; kind->uses != 0 && kind->group == code->kind->group && bit < kind->duration_count; bit++) {
            clear_mark(lock, kind->first_mark + bit);
        }
    }
}

/* ---- Remembered codes ---- */

/* Whether anything is there. */
OPIN_LOCAL bool opin_is_record(const uint8_t *bytes, uint32_t size) {
    while (size > 0 && bytes[size - 1] == 0) {
        size--;
    }
    return size > 0;
}

/* The entry behind another one, or behind NULL the first, and its code; NULL behind the last. */
OPIN_LOCAL uint8_t *opin_next_entry(const opin_lock *lock, uint8_t *entry, opin_code *code) {
    entry = entry == NULL ? opin_entries(lock) : entry + OPIN_ENTRY_BYTES;
    if (!OPIN_PROFILE(lock)->has_memory || entry + 4 == opin_token_of(lock) || !opin_is_record(entry, OPIN_ENTRY_BYTES)) {
        return NULL;
    }
    opin_read_entry(lock, entry, code);
    return entry;
}

/* The entry of a remembered grant, and its code; NULL if it is not remembered. */
OPIN_LOCAL uint8_t *opin_held(const opin_lock *lock, const opin_grant *grant, opin_code *held) {
    uint8_t *entry = NULL;
    do {
        entry = opin_next_entry(lock, entry, held);
    } while (entry != NULL && !opin_same(&held->grant, grant));
    return entry;
}

/* Whether what is kept of a code could still change what the lock does at t: a remembered one could open, or would open anew if it were
 * forgotten; another one would if its revocation were. */
static bool matters(const opin_lock *lock, const opin_code *code, bool is_remembered, uint32_t t) {
    if (opin_is_cleared(lock, code) || opin_is_superseded(lock, code)) {
        return false;
    }
    return code->fresh_until > t || (is_remembered && code->ends > t);
}

/* How many codes would still be remembered at t, once a newer one was used. */
OPIN_LOCAL uint32_t opin_live_entries(const opin_lock *lock, uint32_t t, const opin_code *newer) {
    uint8_t *entry = NULL;
    uint32_t live = 0;
    opin_code code;
    while ((entry = opin_next_entry(lock, entry, &code)) != NULL) {
        const bool ends = has_group(lock, newer->kind) && code.kind->group == newer->kind->group && rank(&code) < rank(newer);
        live += !ends && matters(lock, &code, true, t) ? 1U : 0U;
    }
    return live;
}

/* ---- Revocations ---- */

/* The place of a revocation of a code that is not remembered, or with 0 the first place that is free; NULL if there is none. */
static uint8_t *find_loose(const opin_lock *lock, uint64_t number) {
    uint8_t *place = opin_loose(lock);
    for (; opin_has(OPIN_PROFILE(lock), OPIN_REVOKE) && place < opin_marks(lock); place += OPIN_LOOSE_BYTES) {
        if (opin_packed_at(place) == number) {
            return place;
        }
    }
    return NULL;
}

static uint64_t loose_number(const opin_lock *lock, const opin_code *code) {
    return opin_pack(OPIN_PROFILE(lock), code, 0) + 1;
}

/* What tells of a code's revocation: its entry, with held, if it is remembered, else its loose revocation; NULL if there is neither. */
static uint8_t *find_revocable(const opin_lock *lock, const opin_code *code, opin_code *held) {
    uint8_t *const entry = opin_held(lock, &code->grant, held);
    return entry != NULL ? entry : find_loose(lock, loose_number(lock, code));
}

static bool is_loose(const opin_lock *lock, const uint8_t *place) {
    return place < opin_marks(lock);
}

/* Whether a code was revoked, by what is still known at t. */
OPIN_LOCAL bool opin_is_revoked(const opin_lock *lock, const opin_code *code, uint32_t t) {
    opin_code held;
    const uint8_t *const place = opin_has(OPIN_PROFILE(lock), OPIN_REVOKE) ? find_revocable(lock, code, &held) : NULL;
    if (place == NULL) {
        return false;
    }
    if (!OPIN_PROFILE(lock)->has_memory || is_loose(lock, place)) {
        return code->fresh_until > t;
    }
    return (place[OPIN_ENTRY_BYTES - 1] & 1) != 0 && matters(lock, &held, true, t);
}

/* Whether a revocation has a place. */
OPIN_LOCAL bool opin_can_revoke(const opin_lock *lock, const opin_code *code) {
    opin_code held;
    return find_loose(lock, 0) != NULL || find_revocable(lock, code, &held) != NULL;
}

/* Revoke a code; opin_can_revoke has said that there is a place. Those of codes that are not remembered are kept in order. */
OPIN_LOCAL void opin_revoke(const opin_lock *lock, const opin_code *code) {
    opin_code held;
    uint8_t *place = find_revocable(lock, code, &held);
    if (place == NULL) {
        uint64_t number = loose_number(lock, code);
        for (place = opin_loose(lock); number != 0 && is_loose(lock, place); place += OPIN_LOOSE_BYTES) {
            const uint64_t there = opin_packed_at(place);
            if (there == 0 || there > number) {
                opin_put_packed(place, number);
                number = there;
            }
        }
    } else if (!is_loose(lock, place)) {
        place[OPIN_ENTRY_BYTES - 1] |= 1;
    }
}

/* ---- Forgetting ---- */

/* Drop the records of size bytes, between two places, whose codes do not matter at t: revocations, or remembered codes. */
static void forget_records(const opin_lock *lock, uint8_t *record, const uint8_t *end, uint32_t size, uint32_t t) {
    const bool are_entries = size == OPIN_ENTRY_BYTES;
    opin_code code;
    while (record < end && opin_is_record(record, size)) {
        const uint64_t number = opin_packed_at(record + size - 8);
        opin_unpack(OPIN_PROFILE(lock), are_entries ? number >> 1 : number - 1, &code);
        if (matters(lock, &code, are_entries, t)) {
            record += size;
            continue;
        }
        for (uint8_t *byte = record; byte < end; byte++) {
            *byte = byte < end - size ? byte[size] : 0;
        }
    }
}

static void forget_personal(const opin_lock *lock, uint32_t t) {
    uint8_t *const entry = opin_personal(lock);
    opin_code code;
    if (!opin_is_record(entry, OPIN_ENTRY_BYTES)) {
        return;
    }
    opin_read_entry(lock, entry, &code);
    if (code.ends <= t) {
        memset(entry, 0, OPIN_ENTRY_BYTES);
        return;
    }
    entry[OPIN_ENTRY_BYTES - 1] = (uint8_t)((entry[OPIN_ENTRY_BYTES - 1] & 0xFEU) | (opin_is_revoked(lock, &code, t) ? 1U : 0U));
}

/* Forget what cannot matter from t on, and make t the floor. */
OPIN_LOCAL void opin_move_floor(const opin_lock *lock, uint32_t t) {
    const opin_profile *const profile = OPIN_PROFILE(lock);
    if (profile->has_marks) {
        forget_marks(lock, t);
    }
    if (opin_has(OPIN_PROFILE(lock), OPIN_REVOKE)) {
        forget_records(lock, opin_loose(lock), opin_marks(lock), OPIN_LOOSE_BYTES, t);
    }
    if (profile->has_memory) {
        forget_records(lock, opin_entries(lock), opin_token_of(lock) - 4, OPIN_ENTRY_BYTES, t);
    }
    if (profile->has_personal) {
        forget_personal(lock, t);
    }
    opin_set_time(lock, OPIN_AT_FLOOR, t);
}
