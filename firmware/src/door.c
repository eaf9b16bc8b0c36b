/* The whole lock: power-up, keys, and one entry through all of its steps. The order of those is the simulated lock's: charge, commit,
 * judge, commit and read back, bolt, give back the charge, commit. */
#include "opin_lock.h"

bool opin_is_passage(const opin_lock *lock) {
    return OPIN_IMAGE(lock)[OPIN_AT_PASSAGE] != 0;
}

uint32_t opin_generation(const opin_lock *lock) {
    return opin_get(OPIN_IMAGE(lock) + OPIN_AT_GENERATION);
}

uint32_t opin_check_value(const opin_lock *lock) {
    return opin_check(opin_token_of(lock), opin_generation(lock));
}

/* What the clock shows, or OPIN_NEVER. */
static uint32_t clock_of(const opin_lock *lock) {
    const int64_t now = lock->port->now(lock->port->context);
    return now >> 32 != 0 ? OPIN_NEVER : (uint32_t)now;
}

/* The latest changes may be lost, so no code that may have been used already is trusted: every code that has begun is dead. */
static void distrust(opin_lock *lock) {
    const uint32_t now = clock_of(lock), floor = opin_floor(lock);
    if (now == OPIN_NEVER) {
        lock->status = OPIN_STATE_LOST;
        return;
    }
    opin_clear(lock, (now > floor ? now : floor) + OPIN_PROFILE(lock)->tolerance + 1);
    opin_move_floor(lock, floor);
    opin_commit(lock);
}

opin_status opin_power_up(opin_lock *lock, const opin_profile *profile, const opin_port *port, uint8_t *memory,
                          const uint8_t token[OPIN_TOKEN_BYTES], uint32_t generation) {
    memset(lock, 0, sizeof *lock);
    lock->profile = profile;
    lock->port = port;
    lock->image = memory;
    lock->bank_bytes = port->page_count / 2 * port->page_bytes;
    const opin_condition condition = opin_journal_open(lock);
    if (condition == OPIN_EMPTY) {
        memset(OPIN_IMAGE(lock), 0, opin_state_bytes(OPIN_PROFILE(lock)));
        OPIN_IMAGE(lock)[0] = OPIN_VERSION;
        opin_put(OPIN_IMAGE(lock) + OPIN_AT_GENERATION, generation);
        memcpy(opin_token_of(lock), token, OPIN_TOKEN_BYTES);
        opin_commit(lock);
    } else if (lock->status == OPIN_WORKS &&
               (OPIN_IMAGE(lock)[0] != OPIN_VERSION || opin_get(opin_token_of(lock) - 4) != opin_image_check(lock))) {
        lock->status = OPIN_STATE_LOST;
    } else if (lock->status == OPIN_WORKS && condition == OPIN_DAMAGED) {
        distrust(lock);
    }
    return lock->status;
}

/* One entry through all of its steps. */
static void decide(opin_lock *lock, const char *text, uint32_t length, uint32_t uptime, opin_decision *decision) {
    const opin_port *const port = lock->port;
    const uint32_t now = clock_of(lock), charged_at = lock->charged_at, failures = opin_failures(lock);
    if (!opin_admit(lock, now, uptime, text, length, decision)) {
        return;
    }
    opin_commit(lock);
    if (lock->status != OPIN_WORKS) {
        return;
    }
    opin_judge(lock, now, text, length, decision);
    if (decision->reason != OPIN_OPENED) {
        return;
    }
    opin_commit(lock);
    if (lock->status != OPIN_WORKS) {
        return;
    }
    if (decision->action <= OPIN_PASSAGE) {
        port->drive_bolt(port->context, decision->action);
    } else if (opin_has(OPIN_PROFILE(lock), OPIN_SET_CLOCK) && decision->action == OPIN_SET_CLOCK) {
        port->set_clock(port->context, opin_floor(lock));
    }
    opin_set_failures(lock, failures);
    lock->charged_at = charged_at;
    opin_commit(lock);
}

/* What may be typed after a code that opened: a passage command or a personal code. Whether the text was one. */
OPIN_APART static bool follow_up(opin_lock *lock, const char *text, uint32_t length) {
    const opin_profile *const profile = OPIN_PROFILE(lock);
    const opin_family *const family = &profile->families[profile->kinds[lock->followed.kind].family];
    if (family->has_passage && length == 1 && (text[0] == '2' || text[0] == '3')) {
        OPIN_IMAGE(lock)[OPIN_AT_PASSAGE] = text[0] == '2' ? 1 : 0;
    } else if (!family->has_personal || !opin_choose_personal(lock, &lock->followed, text, length)) {
        return false;
    }
    opin_commit(lock);
    return true;
}

bool opin_enter(opin_lock *lock, const char *text, uint32_t length, opin_decision *decision) {
    const uint32_t uptime = lock->port->uptime(lock->port->context);
    const bool may_follow = OPIN_PROFILE(lock)->has_personal || OPIN_PROFILE(lock)->has_passage;
    const bool follows = may_follow && lock->follows && uptime <= lock->follow_until;
    memset(decision, 0, sizeof *decision);
    lock->follows = false;
    if (lock->status != OPIN_WORKS) {
        return false;
    }
    if (follows && follow_up(lock, text, length)) {
        decision->grant = lock->followed;
        decision->has_grant = true;
        decision->action = (opin_action)OPIN_PROFILE(lock)->kinds[lock->followed.kind].action;
        return lock->status == OPIN_WORKS;
    }
    decide(lock, text, length, uptime, decision);
    if (may_follow && lock->status == OPIN_WORKS && decision->reason == OPIN_OPENED && decision->action <= OPIN_PASSAGE) {
        lock->follows = true;
        lock->followed = decision->grant;
        lock->follow_until = uptime + OPIN_PROFILE(lock)->key_timeout;
    }
    return lock->status == OPIN_WORKS;
}

bool opin_press(opin_lock *lock, char key, opin_decision *decision) {
    const opin_profile *const profile = OPIN_PROFILE(lock);
    const uint32_t uptime = lock->port->uptime(lock->port->context);
    char *const keys = (char *)opin_token_of(lock) + OPIN_TOKEN_BYTES;
    if (uptime - lock->pressed_at > profile->key_timeout) {
        lock->key_count = 0;
    }
    lock->pressed_at = uptime;
    if (key == profile->clear) {
        lock->key_count = 0;
    } else if (key != profile->enter) {
        if (lock->key_count < profile->most_keys) {
            keys[lock->key_count] = key;
        }
        lock->key_count = (uint8_t)(lock->key_count + (lock->key_count <= profile->most_keys ? 1 : 0));
    } else if (lock->key_count > 0) {
        const uint32_t count = lock->key_count <= profile->most_keys ? lock->key_count : 0;
        lock->key_count = 0;
        return opin_enter(lock, keys, count, decision);
    }
    return false;
}
