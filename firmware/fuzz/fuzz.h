/* What the fuzz targets share: a lock on a flash part that minds its manners, and what must be true of every decision. */
#ifndef OPIN_FUZZ_H
#define OPIN_FUZZ_H

#include "offlinepin.h"
#include "opin_lock.h"

enum { MOST_MEMORY = 1280, MOST_FLASH = 8192 };

/* The products whose locks are fuzzed: of vendors, and generated ones whose codes are so dense that typed text opens. */
extern const opin_profile *const fuzz_products[];
extern const uint32_t fuzz_product_count;

/* A lock and its surroundings. */
typedef struct {
    opin_lock lock;
    opin_port port;
    int64_t clock; /* or OPIN_NO_TIME */
    uint32_t up, bolt_moves, writes_left;
    bool is_watched; /* what the bolt does is checked */
    char text[OPIN_MOST_KEYS + 1];
    uint32_t length; /* of what is typed; more than OPIN_MOST_KEYS if it is too long */
    uint32_t last_key, follow_until;
    bool follows;
    opin_grant followed;
    uint8_t memory[MOST_MEMORY];
    uint8_t flash[MOST_FLASH];
} fuzz_door;

/* Stop here: a property does not hold. */
#define MUST(property) ((property) ? (void)0 : fuzz_failed(#property, __LINE__))
void fuzz_failed(const char *property, int line);

/* The product that a byte picks; bytes of its state. */
const opin_profile *fuzz_product(uint8_t pick);
uint32_t fuzz_state_bytes(const opin_profile *profile);

/* A door without power and with a blank part. is_tight: the smallest part that the state fits into. */
void fuzz_make(fuzz_door *door, const opin_profile *profile, bool is_tight);

/* The power comes: a lock that works has a whole state, and would have the same one if the power went again. */
opin_status fuzz_power_up(fuzz_door *door);

/* Press a key, and check what comes of it. Whether it ended an entry. */
bool fuzz_press(fuzz_door *door, char key, opin_decision *decision);

#endif
