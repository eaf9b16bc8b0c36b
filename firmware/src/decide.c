/* The lock's decision on a typed text (section 9) and what an accepted code does to the state (section 10). */
#include "opin_lock.h"

/* What is the same for all readings of an entry, and the best so far: its reason and grant are in the decision. */
typedef struct {
    const opin_lock *lock;
    uint32_t t;
    opin_decision *decision;
    uint32_t floor;              /* what the best one will make the floor */
    bool is_held;                /* the lock knows it from memory */
    uint8_t tag[OPIN_TAG_BYTES]; /* of its text */
} opin_judging;

/* ---- Steps 1 to 4 ---- */

/* Seconds that the lock stays locked after its last charge. */
static uint32_t wait_after(const opin_profile *profile, uint32_t failures) {
    uint32_t wait = profile->delay;
    if (failures <= profile->free) {
        return 0;
    }
    for (uint32_t over = failures - profile->free; over > 1 && profile->growth > 1 && wait > 0 && wait < profile->cap; over--) {
        wait *= profile->growth;
    }
    return wait < profile->cap ? wait : profile->cap;
}

/* An entry may mean what is left when up to so many keys are taken off its beginning: without masking only the whole. */
static uint32_t most_masking(const opin_lock *lock, uint32_t length) {
    return OPIN_PROFILE(lock)->masking ? length : 0;
}

/* Whether an entry can be a personal code: only if no family claims it. */
static bool may_be_personal(const opin_lock *lock, uint32_t length) {
    return OPIN_PROFILE(lock)->has_personal && length == OPIN_PERSONAL_LENGTH;
}

/* False: refused. True: charged, and the state is to be committed before anything is deciphered. */
OPIN_LOCAL bool opin_admit(opin_lock *lock, uint32_t now, uint32_t uptime, const char *text, uint32_t length, opin_decision *refusal) {
    const opin_profile *const profile = OPIN_PROFILE(lock);
    const uint32_t elapsed = uptime - (lock->charged_at <= uptime ? lock->charged_at : 0);
    uint32_t failures = opin_failures(lock);
    const uint32_t wait = wait_after(profile, failures);
    bool may_mean = may_be_personal(lock, length) && opin_is_record(opin_personal(lock), OPIN_ENTRY_BYTES);
    bool is_in_time = now != OPIN_NEVER;
    opin_claim claim;
    if (wait > elapsed) {
        refusal->reason = OPIN_THROTTLED;
        refusal->wait = wait - elapsed;
        return false;
    }
    for (uint32_t masking = 0; masking <= most_masking(lock, length); masking++) {
        if (opin_claims(profile, text + masking, length - masking, &claim)) {
            may_mean = true;
            if (opin_has(profile, OPIN_SET_CLOCK) && claim.family->sets_clock) {
                is_in_time = true;
            }
        }
    }
    if (!may_mean || !is_in_time) {
        refusal->reason = may_mean ? OPIN_CLOCK_LOST : OPIN_MALFORMED;
        return false;
    }
    uint8_t tag[OPIN_TAG_BYTES];
    opin_tag(tag, opin_token_of(lock), text, length);
    if (opin_equal(tag, lock->refused, OPIN_TAG_BYTES)) {
        return true;
    }
    const uint32_t leaked = opin_divide(elapsed, profile->leak);
    failures = (failures > leaked ? failures - leaked : 0) + 1;
    opin_set_failures(lock, failures - (failures >> 16)); /* at most UINT16_MAX */
    lock->charged_at = uptime;
    return true;
}

/* ---- Step 5: the windows ---- */

/* The windows that are still to be tried: the least of them. */
typedef struct {
    uint32_t from, least;
} opin_windows;

/* The windows from that of slot `oldest` to that of slot `newest`. */
static void offer(opin_windows *windows, const opin_family *family, uint32_t oldest, uint32_t newest) {
    uint32_t window = opin_divide(oldest, family->window);
    if (window < windows->from) {
        window = windows->from;
    }
    if (window <= opin_divide(newest, family->window) && window < windows->least) {
        windows->least = window;
    }
}

/* How many slots of a family have begun some seconds after t. */
static uint32_t slots_begun(const opin_family *family, uint32_t t, int32_t after) {
    const uint32_t at = t + (uint32_t)after;
    return after < 0 && at > t ? 0 : opin_divide(at, family->slot) + 1; /* none before 1970 */
}

/* The windows that hold a start from which a fresh code of a family could be valid at t. */
static void offer_candidates(opin_windows *windows, const opin_family *family, uint32_t t) {
    const uint32_t oldest = slots_begun(family, t, -family->earliest), behind = slots_begun(family, t, family->latest);
    if (oldest < behind) {
        offer(windows, family, oldest, behind - 1);
    }
}

/* The least window to try from `from` on: one of a fresh code, or for a family that revokes one of a code remembered. */
static uint32_t next_window(const opin_judging *judging, const opin_family *family, uint32_t from) {
    const opin_lock *const lock = judging->lock;
    const opin_profile *const profile = OPIN_PROFILE(lock);
    opin_windows windows = {from, UINT32_MAX};
    const opin_kind *kind = &profile->kinds[family->first_kind];
    for (uint32_t left = family->kind_count; left > 0; left--, kind++) {
        if (opin_does(profile, kind, OPIN_REVOKE)) {
            const uint32_t about = profile->kinds[kind->about].family;
            uint8_t *entry = NULL;
            opin_code held;
            offer_candidates(&windows, &profile->families[about], judging->t);
            while ((entry = opin_next_entry(lock, entry, &held)) != NULL) {
                if (held.kind->family == about) {
                    offer(&windows, family, held.grant.start, held.grant.start);
                }
            }
        }
    }
    offer_candidates(&windows, family, opin_has(profile, OPIN_SET_CLOCK) && family->sets_clock ? opin_floor(lock) : judging->t);
    return windows.least;
}

/* ---- Step 6: the reasons ---- */

/* Whether the lock learns from a code what time it is at least. Not from a revocation and not from a clock code, which may be typed at any
 * time, and not from a remembered code without an end. */
static bool moves_floor(const opin_code *code, bool is_held) {
    return code->kind->action < OPIN_SET_CLOCK && !(is_held && code->duration == 0);
}

static bool is_open_at(const opin_kind *kind, uint32_t t) {
    const uint32_t day = opin_divide(t, 86400), second = t - day * 86400;
    const uint32_t weekday = opin_rest(day + 3, 7); /* day 0 was a Thursday, bit 0 is Monday */
    return kind->hours_from <= second && second < kind->hours_to && (kind->weekdays >> weekday & 1) != 0;
}

/* The code that a revoke code is about. */
static void aim(const opin_lock *lock, const opin_code *code, opin_code *about) {
    about->grant = code->grant;
    about->grant.kind = code->kind->about;
    opin_look_up(OPIN_PROFILE(lock), about);
}

static opin_reason reason_in_time(const opin_judging *judging, const opin_code *code, bool is_held, uint32_t known) {
    const opin_profile *const profile = OPIN_PROFILE(judging->lock);
    const uint32_t t = judging->t;
    if (t + profile->tolerance < code->starts) {
        return OPIN_TOO_EARLY;
    }
    if (!is_held && code->lapses && t >= code->fresh_until) {
        return OPIN_LAPSED;
    }
    if (t >= code->ends) {
        return OPIN_EXPIRED;
    }
    if (profile->has_hours && !is_open_at(code->kind, t)) {
        return OPIN_OUTSIDE_HOURS;
    }
    if (profile->has_memory && !is_held && opin_remembers(code) && opin_live_entries(judging->lock, known, code) >= profile->capacity) {
        return OPIN_FULL;
    }
    return OPIN_OPENED;
}

/* The reason for one reading, in the page's order. known: the floor that it would make. */
static opin_reason reason_for(const opin_judging *judging, const opin_code *code, bool is_held, uint32_t known) {
    const opin_lock *const lock = judging->lock;
    if (opin_is_revoked(lock, code, known) || opin_is_cleared(lock, code)) {
        return OPIN_REVOKED;
    }
    if (opin_is_superseded(lock, code)) {
        return OPIN_SUPERSEDED;
    }
    if (opin_is_marked(lock, code, known)) {
        return OPIN_USED;
    }
    if (opin_does(OPIN_PROFILE(lock), code->kind, OPIN_SET_CLOCK)) {
        return code->starts > known ? OPIN_OPENED : OPIN_EXPIRED;
    }
    if (opin_does(OPIN_PROFILE(lock), code->kind, OPIN_REVOKE)) {
        opin_code about;
        aim(lock, code, &about);
        return opin_can_revoke(lock, &about) ? OPIN_OPENED : OPIN_FULL;
    }
    return reason_in_time(judging, code, is_held, known);
}

/* Give a reading its reason, and keep it if it is better than the best so far. */
OPIN_APART static void weigh(opin_judging *judging, const opin_code *code, bool is_held, const uint8_t tag[OPIN_TAG_BYTES]) {
    opin_decision *const decision = judging->decision;
    const uint32_t floor = moves_floor(code, is_held) ? judging->t : opin_floor(judging->lock);
    const opin_reason reason = reason_for(judging, code, is_held, floor);
    if (reason < decision->reason) {
        decision->reason = reason;
        decision->has_grant = true;
        decision->grant = code->grant;
        judging->floor = floor;
        judging->is_held = is_held;
        memcpy(judging->tag, tag, OPIN_TAG_BYTES);
    }
}

/* Judge a text as the personal code. */
static void consider_personal(opin_judging *judging, const char *text, uint32_t length) {
    const opin_lock *const lock = judging->lock;
    uint8_t tag[OPIN_TAG_BYTES];
    opin_code code;
    opin_tag(tag, opin_token_of(lock), text, length);
    if (opin_equal(opin_personal(lock), tag, OPIN_TAG_BYTES)) {
        opin_read_entry(lock, opin_personal(lock), &code);
        weigh(judging, &code, true, tag);
    }
}

/* Judge a text that a family claims: as each remembered code, then under the key of each window. The same work whatever the text is. */
static void consider(opin_judging *judging, const char *text, uint32_t length, const opin_claim *claim) {
    const opin_lock *const lock = judging->lock;
    const opin_profile *const profile = OPIN_PROFILE(lock);
    uint8_t tag[OPIN_TAG_BYTES];
    uint8_t *entry = NULL;
    opin_code code;
    opin_grant held;
    memset(&held, 0xFF, sizeof held); /* of no code */
    opin_tag(tag, opin_token_of(lock), text, length);
    while ((entry = opin_next_entry(lock, entry, &code)) != NULL) {
        if (opin_equal(entry, tag, OPIN_TAG_BYTES)) {
            held = code.grant;
            weigh(judging, &code, true, tag);
        }
    }
    for (uint32_t window = 0; (window = next_window(judging, claim->family, window)) < UINT32_MAX; window++) {
        const uint64_t payload = opin_open(profile, opin_token_of(lock), claim, window);
        if (opin_decode(profile, claim->family, window, payload, &code.grant) && !opin_same(&code.grant, &held)) {
            opin_look_up(profile, &code);
            weigh(judging, &code, false, tag);
        }
    }
}

/* ---- Step 7: the marks ---- */

/* Codes that start before t are dead from now on, and no passage holds the door open. */
OPIN_LOCAL void opin_clear(const opin_lock *lock, uint32_t t) {
    if (opin_time_at(lock, OPIN_AT_CLEARED) < t) {
        opin_set_time(lock, OPIN_AT_CLEARED, t);
    }
    OPIN_IMAGE(lock)[OPIN_AT_PASSAGE] = 0;
}

/* All state of the old generation is forgotten. */
static void rotate(opin_lock *lock) {
    const uint32_t next = opin_generation(lock) + 1;
    OPIN_IMAGE(lock)[OPIN_AT_PASSAGE] = 0;
    memset(OPIN_IMAGE(lock) + OPIN_AT_GENERATION, 0, opin_state_bytes(OPIN_PROFILE(lock)) - OPIN_AT_GENERATION);
    opin_put(OPIN_IMAGE(lock) + OPIN_AT_GENERATION, next);
    opin_step(opin_token_of(lock), next);
}

/* Make an accepted code's marks in the state. */
static void use(opin_lock *lock, const opin_judging *judging, opin_code *code) {
    const opin_profile *const profile = OPIN_PROFILE(lock);
    const opin_kind *const kind = code->kind;
    uint32_t floor = judging->floor;
    if (profile->group_count != 0 && kind->group != 0) {
        opin_supersede(lock, code);
    }
    opin_move_floor(lock, floor); /* and what this code ended makes room for it */
    if (profile->has_memory && !judging->is_held && opin_remembers(code)) {
        uint8_t *const entry = opin_entries(lock) + OPIN_ENTRY_BYTES * opin_live_entries(lock, floor, code);
        const uint32_t lingers = judging->t + kind->linger + profile->tolerance;
        const bool is_shorter = kind->linger != 0 && lingers < code->ends;
        const uint32_t shortened = is_shorter ? lingers - code->starts + 1 : 0;
        memcpy(entry, judging->tag, OPIN_TAG_BYTES);
        opin_put_packed(entry + OPIN_TAG_BYTES, opin_pack(profile, code, shortened) << 1);
    }
    if (profile->has_marks && kind->uses != 0 && kind->action < OPIN_SET_CLOCK) {
        opin_mark(lock, code);
    }
    if (opin_does(profile, kind, OPIN_PASSAGE)) {
        OPIN_IMAGE(lock)[OPIN_AT_PASSAGE] ^= 1;
    } else if (opin_does(profile, kind, OPIN_CLEAR)) {
        opin_clear(lock, code->starts);
    } else if (opin_does(profile, kind, OPIN_SET_CLOCK)) {
        floor = code->starts;
    } else if (opin_does(profile, kind, OPIN_REVOKE)) {
        opin_code about;
        aim(lock, code, &about);
        opin_revoke(lock, &about);
    } else if (opin_does(profile, kind, OPIN_ROTATE)) {
        rotate(lock);
    }
    opin_move_floor(lock, floor);
}

/* Steps 5 to 7 up to the bolt. An accepted code's marks are in the state then. */
OPIN_LOCAL void opin_judge(opin_lock *lock, uint32_t now, const char *text, uint32_t length, opin_decision *decision) {
    opin_judging judging;
    bool is_claimed = false;
    opin_claim claim;
    opin_code code;
    judging.lock = lock;
    judging.decision = decision;
    judging.t = opin_floor(lock);
    if (now != OPIN_NEVER && now > judging.t) {
        judging.t = now;
    }
    decision->reason = OPIN_UNKNOWN;
    for (uint32_t masking = 0; masking <= most_masking(lock, length); masking++) {
        if (opin_claims(OPIN_PROFILE(lock), text + masking, length - masking, &claim)) {
            is_claimed = true;
            if (OPIN_PROFILE(lock)->masking && now == OPIN_NEVER && !claim.family->sets_clock) {
                continue; /* without masking it was not admitted */
            }
            consider(&judging, text + masking, length - masking, &claim);
        }
    }
    if (!is_claimed && may_be_personal(lock, length)) {
        consider_personal(&judging, text, length);
    }
    if (decision->reason != OPIN_OPENED) {
        opin_tag(lock->refused, opin_token_of(lock), text, length);
        return;
    }
    code.grant = decision->grant;
    opin_look_up(OPIN_PROFILE(lock), &code);
    decision->action = (opin_action)code.kind->action;
    use(lock, &judging, &code);
}

/* The holder of a code that has just opened chose a personal code. False if it cannot be one. */
OPIN_LOCAL bool opin_choose_personal(const opin_lock *lock, const opin_grant *grant, const char *text, uint32_t length) {
    const opin_profile *const profile = OPIN_PROFILE(lock);
    opin_code code;
    const uint8_t *const entry = opin_held(lock, grant, &code);
    uint8_t *const personal = opin_personal(lock);
    uint32_t number;
    opin_claim claim;
    if (profile->kinds[grant->kind].uses != 0 || length != OPIN_PERSONAL_LENGTH || opin_claims(profile, text, length, &claim) ||
        !opin_spells(profile, text, length, &number)) {
        return false;
    }
    code.grant = *grant;
    opin_look_up(profile, &code);
    opin_tag(personal, opin_token_of(lock), text, length);
    opin_put_packed(personal + OPIN_TAG_BYTES, entry != NULL ? opin_packed_at(entry + OPIN_TAG_BYTES) : opin_pack(profile, &code, 0) << 1);
    opin_move_floor(lock, opin_floor(lock));
    return true;
}
