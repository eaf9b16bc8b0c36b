/* The state's image (section 12): where everything lies for a profile, entries, and packed grants. */
#include "opin_lock.h"

static uint32_t groups_end(const opin_profile *profile) {
    return OPIN_AT_GROUPS + (uint32_t)OPIN_GROUP_BYTES * profile->group_count;
}

static uint32_t marks_end(const opin_profile *profile) {
    return groups_end(profile) + OPIN_LOOSE * OPIN_LOOSE_BYTES + profile->mark_bytes;
}

/* Bytes of the state, its check value included; the token follows. */
uint32_t opin_state_bytes(const opin_profile *profile) {
    return marks_end(profile) + OPIN_ENTRY_BYTES * (1U + profile->capacity) + 4;
}

uint8_t *opin_token_of(const opin_lock *lock) {
    return lock->image + opin_state_bytes(lock->profile);
}

uint8_t *opin_revoked_at(const opin_lock *lock, uint32_t place) {
    return lock->image + groups_end(lock->profile) + OPIN_LOOSE_BYTES * place;
}

uint8_t *opin_marks_at(const opin_lock *lock) {
    return opin_revoked_at(lock, OPIN_LOOSE);
}

uint8_t *opin_entry_at(const opin_lock *lock, uint32_t entry) {
    return lock->image + marks_end(lock->profile) + OPIN_ENTRY_BYTES * entry;
}

/* Whether anything is there: an entry is not all zeros. */
bool opin_has_entry(const opin_lock *lock, uint32_t entry) {
    const uint8_t *const bytes = opin_entry_at(lock, entry);
    return (opin_get(bytes, 8) | opin_get(bytes + 8, 8)) != 0;
}

/* How many codes are remembered: they are entries 1 to that number. */
uint32_t opin_remembered(const opin_lock *lock) {
    uint32_t count = 0;
    while (count < lock->profile->capacity && opin_has_entry(lock, count + 1)) {
        count++;
    }
    return count;
}

int64_t opin_floor(const opin_lock *lock) {
    return (int64_t)opin_get(lock->image + OPIN_AT_FLOOR, OPIN_TIME_BYTES);
}

/* A packed grant; with the end that lingering gave it, if it differs from its own. */
uint64_t opin_pack(const opin_profile *profile, const opin_grant *grant, int64_t ends) {
    const opin_kind *const kind = &profile->kinds[grant->kind];
    opin_life life;
    opin_life_of(profile, grant, &life);
    uint64_t number = (uint64_t)grant->start << kind->duration_bits | grant->duration;
    number = number << kind->variant_bits | grant->variant;
    number <<= kind->end_bits;
    if (ends != OPIN_NO_TIME && ends != life.ends) {
        number |= (uint64_t)(ends - life.starts + profile->tolerance + 1);
    }
    return number << profile->kind_bits | grant->kind;
}

static uint32_t take_bits(uint64_t *number, uint32_t bits) {
    const uint32_t taken = (uint32_t)(*number & ((UINT64_C(1) << bits) - 1));
    *number >>= bits;
    return taken;
}

/* The inverse; returns the end, or OPIN_NO_TIME. Whatever the number is, the grant is one of the profile's tables. */
int64_t opin_unpack(const opin_profile *profile, uint64_t number, opin_grant *grant) {
    opin_life life;
    grant->kind = (uint16_t)take_bits(&number, profile->kind_bits);
    if (grant->kind >= profile->kind_count) {
        grant->kind = 0;
    }
    const opin_kind *const kind = &profile->kinds[grant->kind];
    const uint32_t shortened = take_bits(&number, kind->end_bits);
    grant->variant = take_bits(&number, kind->variant_bits);
    grant->duration = take_bits(&number, kind->duration_bits);
    if (grant->duration >= kind->duration_count) {
        grant->duration = 0;
    }
    grant->start = (uint32_t)number;
    opin_life_of(profile, grant, &life);
    return shortened != 0 ? life.starts + (int64_t)shortened - profile->tolerance - 1 : life.ends;
}

/* The grant of an entry; returns its end, or OPIN_NO_TIME. */
int64_t opin_entry(const opin_lock *lock, uint32_t entry, opin_grant *grant) {
    return opin_unpack(lock->profile, opin_get(opin_entry_at(lock, entry) + OPIN_TAG_BYTES, 8) >> 1, grant);
}

void opin_set_entry(const opin_lock *lock, uint32_t entry, const uint8_t tag[OPIN_TAG_BYTES], const opin_grant *grant, int64_t ends) {
    uint8_t *const bytes = opin_entry_at(lock, entry);
    memcpy(bytes, tag, OPIN_TAG_BYTES);
    opin_put(bytes + OPIN_TAG_BYTES, 8, opin_pack(lock->profile, grant, ends) << 1);
}

static uint32_t check_value(const opin_lock *lock) {
    const uint32_t count = opin_state_bytes(lock->profile) - 4;
    uint32_t crc = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        crc = opin_crc(crc, lock->image[i]);
    }
    return ~crc;
}

/* Write the state's check value. */
void opin_seal_image(const opin_lock *lock) {
    opin_put(opin_token_of(lock) - 4, 4, check_value(lock));
}

bool opin_is_image_whole(const opin_lock *lock) {
    return lock->image[0] == OPIN_VERSION && opin_get(opin_token_of(lock) - 4, 4) == check_value(lock);
}
