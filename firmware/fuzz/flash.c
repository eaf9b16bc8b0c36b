/* Fuzz target: what the flash holds when the power comes. An input is the product, a byte of flags, the length of a text and that text, and
 * then the part's content. With MEND the content gets the heads and check values that it needs to be read as a snapshot and changes, with
 * PLANT the text is in the state as the personal and as the first remembered code: so the fuzzer gets behind what it cannot compute. */
#include "fuzz.h"

enum { TIGHT = 1, MEND = 2, PLANT = 4, LOST = 8, MEND_OTHER = 16, HEAD = 12, MOST_TEXT = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t crc_of(uint32_t crc, const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        crc = opin_crc(crc, bytes[i]);
    }
    return crc;
}

/* Make an image of any bytes one that the lock takes for whole. */
static void seal(const opin_profile *profile, uint8_t *image, const char *text, uint32_t length, bool is_planted) {
    const uint32_t bytes = fuzz_state_bytes(profile);
    uint8_t *const entries = image + bytes - 4 - OPIN_ENTRY_BYTES * (1U + profile->capacity);
    image[0] = OPIN_VERSION;
    image[OPIN_AT_PASSAGE] &= 1;
    if (is_planted) {
        opin_tag(entries, image + bytes, text, length);
        if (profile->capacity > 0) {
            opin_tag(entries + OPIN_ENTRY_BYTES, image + bytes, text, length);
        }
    }
    opin_put(image + bytes - 4, ~crc_of(UINT32_MAX, image, bytes - 4));
}

/* Give the changes behind a snapshot, as far as something is written, their heads and check values. */
static void mend_changes(uint8_t *bank, uint32_t at, uint32_t end) {
    while (at + OPIN_WORD < end && bank[at] != 0xFF) {
        const uint32_t length = (bank[at] & 0x1FU) * OPIN_WORD + OPIN_WORD;
        uint8_t place[OPIN_WORD];
        if (at + length + 2 * OPIN_WORD > end) {
            return;
        }
        opin_put(bank + at, length << 16 | (length ^ 0xFFFFU));
        opin_put(place, at);
        const uint32_t crc = crc_of(crc_of(crc_of(UINT32_MAX, bank + at, length), bank + 4, OPIN_WORD), place, OPIN_WORD);
        opin_put(bank + at + length, ~crc);
        at += length + 2 * OPIN_WORD;
    }
}

static void mend(const fuzz_door *door, uint8_t *bank, const char *text, uint32_t length, bool is_planted) {
    const uint32_t image = fuzz_state_bytes(door->lock.profile) + OPIN_TOKEN_BYTES, end = HEAD + ((image + 3U) & ~3U);
    memcpy(bank, "oPj\1", OPIN_WORD);
    opin_put(bank + 8, image);
    seal(door->lock.profile, bank + HEAD, text, length, is_planted);
    opin_put(bank + end, ~crc_of(UINT32_MAX, bank, end));
    mend_changes(bank, end + OPIN_WORD, door->port.page_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fuzz_door door;
    opin_decision decision;
    if (size < 3 || data[2] > MOST_TEXT || size < 3U + data[2]) {
        return -1;
    }
    const uint8_t flags = data[1];
    const uint32_t length = data[2];
    const char *const text = (const char *)data + 3;
    fuzz_make(&door, fuzz_product(data[0]), (flags & TIGHT) != 0);
    door.clock = (flags & LOST) != 0 ? OPIN_NO_TIME : INT64_C(1813050000);
    const size_t room = 2U * (size_t)door.port.page_bytes, left = size - 3 - length;
    memcpy(door.flash, data + 3 + length, left < room ? left : room);
    if ((flags & MEND) != 0) {
        mend(&door, door.flash, text, length, (flags & PLANT) != 0);
    }
    if ((flags & MEND_OTHER) != 0) {
        mend(&door, door.flash + door.port.page_bytes, text, length, (flags & PLANT) != 0);
    }
    const opin_status status = fuzz_power_up(&door);
    MUST(status == OPIN_WORKS || status == OPIN_STATE_LOST);
    for (uint32_t i = 0; i <= length && door.lock.status == OPIN_WORKS; i++) {
        (void)fuzz_press(&door, i < length ? text[i] : door.lock.profile->enter, &decision);
    }
    MUST(door.lock.status == status);
    return 0;
}
