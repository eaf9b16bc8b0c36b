/* What the parts of the lock share, and nobody else uses. Tables are trusted; flash and typed text are not. */
#ifndef OPIN_LOCK_H
#define OPIN_LOCK_H

#include "offlinepin.h"

#include <stddef.h>
#include <string.h>

/* Places in the state's image (section 12). Fields are big-endian. */
enum {
    OPIN_VERSION = 1,
    OPIN_AT_PASSAGE = 1,
    OPIN_AT_FAILURES = 2,
    OPIN_AT_GENERATION = 4,
    OPIN_AT_CLEARED = 8,
    OPIN_AT_FLOOR = 13,
    OPIN_AT_GROUPS = 18,
    OPIN_TIME_BYTES = 5,
    OPIN_GROUP_BYTES = 8,
    OPIN_LOOSE = 8, /* revocations of codes that are not remembered */
    OPIN_LOOSE_BYTES = 8,
    OPIN_ENTRY_BYTES = 16,
    OPIN_PERSONAL_LENGTH = 6,
    OPIN_PERSONAL = 0, /* the entry of the personal code; remembered codes are entries 1 and up */
    OPIN_FRESH = 0xFFFF, /* no entry: the lock does not know the code from memory */
};

/* C99 has no static assertion of its own. */
#define OPIN_ASSERT(what, condition) typedef char opin_assert_##what[(condition) ? 1 : -1]

OPIN_ASSERT(floor_follows_cleared, (int)OPIN_AT_FLOOR == OPIN_AT_CLEARED + OPIN_TIME_BYTES);
OPIN_ASSERT(groups_follow_floor, (int)OPIN_AT_GROUPS == OPIN_AT_FLOOR + OPIN_TIME_BYTES);
OPIN_ASSERT(a_group_is_a_start_and_a_variant, (int)OPIN_GROUP_BYTES == OPIN_TIME_BYTES + 3);
OPIN_ASSERT(an_entry_is_a_tag_and_a_packed_grant, (int)OPIN_ENTRY_BYTES == OPIN_TAG_BYTES + 8);
OPIN_ASSERT(state_of_the_page, OPIN_MEMORY_BYTES(1U, 52U, 32U, 16U) == 18 + 8 + 64 + 52 + 16 + 512 + 4 + 32 + 16);
OPIN_ASSERT(closed_lists_of_the_page, (int)OPIN_UNKNOWN == 12 && (int)OPIN_REVOKE == 5);

/* A function that stays a call: what it keeps on the stack is gone again when the hashes run, which need the most. */
#if defined(__GNUC__)
#define OPIN_APART __attribute__((noinline))
#else
#define OPIN_APART
#endif

/* When a grant holds, in seconds. */
typedef struct {
    int64_t starts;
    int64_t ends;        /* OPIN_NO_TIME: it has no end */
    int64_t fresh_until; /* from here on refused if it is not remembered; the end's tolerance is in it */
    bool lapses;         /* fresh_until is the time by which it must first be used */
} opin_life;

/* A typed text as a code: its family and the halves of its number. */
typedef struct {
    uint32_t family, a, b;
} opin_claim;

/* number.c: arithmetic and bytes */
uint64_t opin_divide(uint64_t number, uint32_t divisor, uint32_t *rest);
uint64_t opin_get(const uint8_t *bytes, uint32_t count);
void opin_put(uint8_t *bytes, uint32_t count, uint64_t number);
uint32_t opin_crc(uint32_t crc, uint8_t byte);
bool opin_equal(const uint8_t *a, const uint8_t *b, uint32_t count);

/* token.c: everything that needs the token */
void opin_tag(uint8_t tag[OPIN_TAG_BYTES], const uint8_t token[OPIN_TOKEN_BYTES], const char *text, uint32_t length);
void opin_step(uint8_t token[OPIN_TOKEN_BYTES], uint32_t next);
uint32_t opin_check(const uint8_t token[OPIN_TOKEN_BYTES], uint32_t generation);
uint64_t opin_open(const opin_profile *profile, const uint8_t token[OPIN_TOKEN_BYTES], const opin_claim *claim, uint32_t window);

/* payload.c: grants and their times */
uint32_t opin_duration(const opin_kind *kind, uint32_t index);
bool opin_decode(const opin_profile *profile, uint32_t family, uint32_t window, uint64_t payload, opin_grant *grant);
void opin_life_of(const opin_profile *profile, const opin_grant *grant, opin_life *life);
uint32_t opin_digit(const opin_profile *profile, char key);
bool opin_claims(const opin_profile *profile, const char *text, uint32_t length, opin_claim *claim);
bool opin_same(const opin_grant *a, const opin_grant *b);
bool opin_is_time_bound(const opin_kind *kind);
bool opin_remembers(const opin_kind *kind, const opin_life *life);

/* image.c: where the state lies, and packed grants */
uint32_t opin_state_bytes(const opin_profile *profile);
uint8_t *opin_token_of(const opin_lock *lock);
uint8_t *opin_revoked_at(const opin_lock *lock, uint32_t place);
uint8_t *opin_marks_at(const opin_lock *lock);
uint8_t *opin_entry_at(const opin_lock *lock, uint32_t entry);
bool opin_has_entry(const opin_lock *lock, uint32_t entry);
uint32_t opin_remembered(const opin_lock *lock);
int64_t opin_floor(const opin_lock *lock);
uint64_t opin_pack(const opin_profile *profile, const opin_grant *grant, int64_t ends);
int64_t opin_unpack(const opin_profile *profile, uint64_t number, opin_grant *grant);
int64_t opin_entry(const opin_lock *lock, uint32_t entry, opin_grant *grant);
void opin_set_entry(const opin_lock *lock, uint32_t entry, const uint8_t tag[OPIN_TAG_BYTES], const opin_grant *grant, int64_t ends);
void opin_seal_image(const opin_lock *lock);
bool opin_is_image_whole(const opin_lock *lock);

/* memory.c: what the state says of a code, and what it may forget */
bool opin_is_cleared(const opin_lock *lock, const opin_grant *grant);
bool opin_is_superseded(const opin_lock *lock, const opin_grant *grant);
bool opin_is_marked(const opin_lock *lock, const opin_grant *grant, int64_t t);
bool opin_is_revoked(const opin_lock *lock, const opin_grant *grant, int64_t t);
bool opin_can_revoke(const opin_lock *lock, const opin_grant *grant);
void opin_revoke(const opin_lock *lock, const opin_grant *grant);
void opin_mark(const opin_lock *lock, const opin_grant *grant);
void opin_supersede(const opin_lock *lock, const opin_grant *grant);
uint32_t opin_held(const opin_lock *lock, const opin_grant *grant);
uint32_t opin_live_entries(const opin_lock *lock, int64_t t);
void opin_move_floor(const opin_lock *lock, int64_t t);

/* decide.c */
bool opin_admit(opin_lock *lock, int64_t now, uint32_t uptime, const char *text, uint32_t length, opin_decision *refusal);
void opin_judge(opin_lock *lock, int64_t now, const char *text, uint32_t length, opin_decision *decision);
bool opin_choose_personal(const opin_lock *lock, const opin_grant *grant, const char *text, uint32_t length);

/* journal.c */
typedef enum { OPIN_EMPTY, OPIN_SOUND, OPIN_DAMAGED } opin_condition;
opin_condition opin_journal_open(opin_lock *lock);
void opin_commit(opin_lock *lock);

#endif
