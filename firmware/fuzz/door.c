/* The door of the fuzz targets: see fuzz.h. Nothing here may be written out of place, no bit may be set but by an erase, and no write may be
 * asked for after one has failed. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

enum { NEVER = 0xFFFFFFFFU >> 1 };

static const uint8_t first_token[OPIN_TOKEN_BYTES] = {1, 2, 3};

void fuzz_failed(const char *property, int line) {
    (void)fprintf(stderr, "line %d: it must be true that %s\n", line, property);
    abort();
}

const opin_profile *fuzz_product(uint8_t pick) {
    return fuzz_products[pick % fuzz_product_count];
}

uint32_t fuzz_state_bytes(const opin_profile *profile) {
    return OPIN_MEMORY_BYTES(profile->group_count, profile->mark_bytes, profile->capacity, 0U) - OPIN_TOKEN_BYTES;
}

/* ---- The port ---- */

static void read_flash(void *context, uint32_t at, uint8_t *bytes, uint32_t count) {
    const fuzz_door *const door = (const fuzz_door *)context;
    const uint32_t size = door->port.page_bytes * door->port.page_count;
    MUST(at <= size && count <= size - at);
    memcpy(bytes, door->flash + at, count);
}

/* Whether there is power for one write more. */
static bool spend(fuzz_door *door) {
    MUST(door->writes_left > 0);
    door->writes_left -= door->writes_left < NEVER ? 1U : 0U;
    return door->writes_left > 0;
}

static bool program(void *context, uint32_t at, const uint8_t word[OPIN_WORD]) {
    fuzz_door *const door = (fuzz_door *)context;
    MUST(at % OPIN_WORD == 0 && at < door->port.page_bytes * door->port.page_count);
    for (uint32_t i = 0; i < OPIN_WORD; i++) {
        MUST((word[i] & ~(uint32_t)door->flash[at + i]) == 0);
    }
    if (!spend(door)) {
        return false;
    }
    memcpy(door->flash + at, word, OPIN_WORD);
    return true;
}

static bool erase(void *context, uint32_t page) {
    fuzz_door *const door = (fuzz_door *)context;
    MUST(page < door->port.page_count);
    if (!spend(door)) {
        return false;
    }
    memset(door->flash + page * door->port.page_bytes, 0xFF, door->port.page_bytes);
    return true;
}

static int64_t now(void *context) {
    return ((const fuzz_door *)context)->clock;
}

static void set_clock(void *context, int64_t seconds) {
    fuzz_door *const door = (fuzz_door *)context;
    MUST(seconds >= 0);
    door->clock = seconds;
}

static uint32_t uptime(void *context) {
    return ((const fuzz_door *)context)->up;
}

/* The same lock after the power went just now. */
static opin_status twin(fuzz_door *copy, const fuzz_door *door) {
    *copy = *door;
    copy->port.context = copy;
    copy->is_watched = copy->follows = false;
    copy->up = copy->last_key = copy->length = 0;
    copy->writes_left = NEVER;
    memset(copy->memory, 0, sizeof copy->memory);
    return opin_power_up(&copy->lock, door->lock.profile, &copy->port, copy->memory, first_token, 0);
}

/* Before the bolt moves, a single-use code must be spent in flash. */
static void drive_bolt(void *context, opin_action action) {
    fuzz_door *const door = (fuzz_door *)context;
    static fuzz_door after;
    opin_decision again;
    MUST(action <= OPIN_PASSAGE);
    door->bolt_moves++;
    if (door->is_watched && door->length <= OPIN_MOST_KEYS) {
        MUST(twin(&after, door) == OPIN_WORKS);
        if (opin_enter(&after.lock, door->text, door->length, &again) && again.reason == OPIN_OPENED) {
            MUST(door->lock.profile->kinds[again.grant.kind].uses == 0);
        }
    }
}

void fuzz_make(fuzz_door *door, const opin_profile *profile, bool is_tight) {
    const uint32_t image = (fuzz_state_bytes(profile) + OPIN_TOKEN_BYTES + 3U) & ~3U;
    memset(door, 0, sizeof *door);
    memset(door->flash, 0xFF, sizeof door->flash);
    door->lock.profile = profile;
    door->port.context = door;
    door->port.page_bytes = image + (is_tight ? 96U : 480U);
    door->port.page_count = 2;
    MUST(2 * door->port.page_bytes <= MOST_FLASH);
    door->port.read = read_flash;
    door->port.program = program;
    door->port.erase = erase;
    door->port.now = now;
    door->port.set_clock = set_clock;
    door->port.uptime = uptime;
    door->port.drive_bolt = drive_bolt;
    door->writes_left = NEVER;
}

/* ---- What must be true ---- */

static bool is_grant(const opin_profile *profile, const opin_grant *grant) {
    const opin_kind *const kind = &profile->kinds[grant->kind];
    return grant->kind < profile->kind_count && grant->duration < kind->duration_count && grant->variant < (1U << kind->variant_bits);
}

/* A state is whole. A power cut now would lose nothing and bring nothing, and would leave a lock that a further one does not change. */
static void check_kept(const fuzz_door *door) {
    const uint32_t state = fuzz_state_bytes(door->lock.profile), bytes = state + OPIN_TOKEN_BYTES;
    static fuzz_door first, second;
    uint32_t crc = UINT32_MAX;
    for (uint32_t i = 0; i < state - 4; i++) {
        crc = opin_crc(crc, door->memory[i]);
    }
    MUST(door->memory[0] == OPIN_VERSION && opin_get(door->memory + state - 4) == (uint32_t)~crc);
    MUST(twin(&first, door) == OPIN_WORKS);
    MUST(memcmp(first.memory, door->memory, bytes) == 0);
    MUST(twin(&second, &first) == OPIN_WORKS);
    MUST(memcmp(second.memory, first.memory, bytes) == 0);
    MUST(memcmp(second.flash, first.flash, sizeof first.flash) == 0);
}

opin_status fuzz_power_up(fuzz_door *door) {
    door->up = door->last_key = door->length = 0;
    door->follows = false;
    door->writes_left = NEVER;
    memset(door->memory, 0, sizeof door->memory);
    const opin_status status = opin_power_up(&door->lock, door->lock.profile, &door->port, door->memory, first_token, 0);
    if (status == OPIN_WORKS) {
        check_kept(door);
    }
    return status;
}

/* Whether a remembered code of a state, or its personal code, is this text and this grant. */
static bool is_held(const fuzz_door *before, const char *text, uint32_t length, const opin_grant *grant) {
    const opin_profile *const profile = before->lock.profile;
    const uint8_t *const token = before->memory + fuzz_state_bytes(profile);
    const uint8_t *entry = token - 4 - OPIN_ENTRY_BYTES * (1U + profile->capacity);
    uint8_t tag[OPIN_TAG_BYTES];
    opin_tag(tag, token, text, length);
    for (; entry < token - 4; entry += OPIN_ENTRY_BYTES) {
        opin_code held;
        opin_unpack(profile, opin_packed_at(entry + OPIN_TAG_BYTES) >> 1, &held);
        if (memcmp(entry, tag, sizeof tag) == 0 && opin_same(&held.grant, grant)) {
            return true;
        }
    }
    return false;
}

/* The plain decision: whether a text, or with masking an end of it, reads as a grant. */
static bool reads_as(const fuzz_door *before, const opin_grant *grant) {
    const opin_profile *const profile = before->lock.profile;
    const opin_family *const family = &profile->families[profile->kinds[grant->kind].family];
    for (uint32_t from = 0; from < before->length && (from == 0 || profile->masking); from++) {
        opin_claim claim;
        opin_grant found;
        const char *const text = before->text + from;
        const uint32_t window = grant->start / family->window;
        if (is_held(before, text, before->length - from, grant)) {
            return true;
        }
        if (opin_claims(profile, text, before->length - from, &claim) && claim.family == family) {
            const uint64_t payload = opin_open(profile, before->memory + fuzz_state_bytes(profile), &claim, window);
            if (opin_decode(profile, family, window, payload, &found) && opin_same(&found, grant)) {
                return true;
            }
        }
    }
    return false;
}

/* The same entry at the same lock gives the same again, byte for byte. */
static void check_again(const fuzz_door *before, const fuzz_door *door, const opin_decision *decision) {
    static fuzz_door other;
    opin_decision again;
    other = *before;
    other.lock.image = other.memory;
    other.lock.port = &other.port;
    other.port.context = &other;
    other.is_watched = false;
    MUST(opin_enter(&other.lock, other.text, other.length <= before->lock.profile->most_keys ? other.length : 0, &again));
    MUST(again.reason == decision->reason && again.action == decision->action && again.wait == decision->wait);
    MUST(again.has_grant == decision->has_grant && opin_same(&again.grant, &decision->grant));
    MUST(memcmp(other.memory, door->memory, fuzz_state_bytes(door->lock.profile) + OPIN_TOKEN_BYTES) == 0);
    MUST(memcmp(other.flash, door->flash, sizeof other.flash) == 0);
}

static void check_decision(const fuzz_door *before, fuzz_door *door, const opin_decision *decision) {
    const opin_profile *const profile = door->lock.profile;
    const bool opens = decision->reason == OPIN_OPENED && decision->action <= OPIN_PASSAGE;
    const bool moved = door->bolt_moves != before->bolt_moves;
    MUST(decision->reason <= OPIN_UNKNOWN && decision->action <= OPIN_REVOKE);
    MUST(door->bolt_moves - before->bolt_moves <= 1 && (!moved || opens));
    MUST((decision->wait > 0) == (decision->reason == OPIN_THROTTLED) && decision->wait <= profile->cap);
    MUST(!decision->has_grant || is_grant(profile, &decision->grant));
    MUST(opin_get(door->memory + OPIN_AT_FLOOR + 1) >= opin_get(before->memory + OPIN_AT_FLOOR + 1));
    if (opens && !moved) { /* a follow-up to the entry before */
        MUST(before->follows && before->up <= before->follow_until && opin_same(&decision->grant, &before->followed));
    } else if (decision->reason == OPIN_OPENED) {
        MUST(decision->action == (opin_action)profile->kinds[decision->grant.kind].action);
        MUST(before->length <= profile->most_keys && reads_as(before, &decision->grant));
    }
    door->follows = moved;
    door->followed = decision->grant;
    door->follow_until = door->up + profile->key_timeout;
}

bool fuzz_press(fuzz_door *door, char key, opin_decision *decision) {
    const opin_profile *const profile = door->lock.profile;
    static fuzz_door before;
    if (door->up - door->last_key > profile->key_timeout || key == profile->clear) {
        door->length = 0;
    }
    door->last_key = door->up;
    if (key != profile->clear && key != profile->enter) {
        if (door->length < OPIN_MOST_KEYS) {
            door->text[door->length] = key;
        }
        door->length += door->length <= OPIN_MOST_KEYS ? 1U : 0U;
    }
    before = *door;
    const bool is_entry = opin_press(&door->lock, key, decision);
    MUST(!is_entry || (key == profile->enter && before.length > 0));
    if (is_entry) {
        check_decision(&before, door, decision);
        check_kept(door);
        if (door->writes_left == NEVER) {
            check_again(&before, door, decision);
        }
    }
    if (key == profile->enter) {
        door->length = 0;
    }
    return is_entry;
}
