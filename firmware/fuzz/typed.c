/* Fuzz target: what is typed, when, and what the clock and the power do meanwhile. An input is the product, a byte of flags, and then keys;
 * bytes from 0x80 on are time that passes (0x80 to 0x97: 1, 2, 4, ... seconds) and accidents (0xA0 and up, below). */
#include "fuzz.h"

enum {
    TIGHT = 1,
    CUT = 0xA0,        /* the power goes, and comes back */
    LOST = 0xA1,       /* so does the clock */
    CORRECTED = 0xA2,  /* it is set to when the session began */
    BACK = 0xA3,       /* an hour back */
    DRAINED = 0xB0,    /* to 0xBF: the power goes in 0 to 15 writes from now */
    MOST_BYTES = 300,
};

#define BEGINNING INT64_C(1813050000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pass(fuzz_door *door, uint32_t seconds) {
    door->up += seconds;
    if (door->clock != OPIN_NO_TIME && door->clock < BEGINNING * 3) {
        door->clock += seconds;
    }
}

static void happen(fuzz_door *door, uint8_t what) {
    if (what < CUT) {
        pass(door, UINT32_C(1) << (what & 0x1FU) % 24U);
    } else if (what == CUT) {
        MUST(fuzz_power_up(door) == OPIN_WORKS);
    } else if (what == LOST) {
        door->clock = OPIN_NO_TIME;
    } else if (what == CORRECTED) {
        door->clock = BEGINNING;
    } else if (what == BACK && door->clock != OPIN_NO_TIME) {
        door->clock -= 3600;
    } else if (what >= DRAINED && what < DRAINED + 0x10) {
        door->writes_left = 1U + (what & 0xFU);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fuzz_door door;
    opin_decision decision;
    if (size < 3) {
        return -1;
    }
    fuzz_make(&door, fuzz_product(data[0]), (data[1] & TIGHT) != 0);
    door.clock = BEGINNING + 900 * (data[1] >> 1);
    door.is_watched = true;
    MUST(fuzz_power_up(&door) == OPIN_WORKS);
    for (size_t i = 2; i < size && i < MOST_BYTES; i++) {
        if (data[i] >= 0x80) {
            happen(&door, data[i]);
        } else {
            (void)fuzz_press(&door, (char)data[i], &decision);
        }
        if (door.lock.status != OPIN_WORKS) { /* the power went: no cut is ever damage */
            MUST(door.lock.status == OPIN_FLASH_FAILED);
            MUST(fuzz_power_up(&door) == OPIN_WORKS);
        }
    }
    return 0;
}
