/* A lock on the test board: its port, and calls with words only, so that a host's library and an emulated part are worked alike. */
#include "board.h"

#include <string.h>

static void read_flash(void *context, uint32_t at, uint8_t *bytes, uint32_t count) {
    const board *const it = (const board *)context;
    memcpy(bytes, it->flash + at, count);
}

static bool program(void *context, uint32_t at, const uint8_t word[OPIN_WORD]) {
    const board *const it = (const board *)context;
    return it->ask(BOARD_PROGRAM, at, (uint32_t)word[0] << 24 | (uint32_t)word[1] << 16 | (uint32_t)word[2] << 8 | word[3]) != 0;
}

static bool erase(void *context, uint32_t page) {
    const board *const it = (const board *)context;
    return it->ask(BOARD_ERASE, page, 0) != 0;
}

static int64_t now(void *context) {
    const board *const it = (const board *)context;
    const uint64_t lower = it->ask(BOARD_NOW, 0, 0);
    return (int64_t)((uint64_t)it->ask(BOARD_NOW_UPPER, 0, 0) << 32 | lower);
}

static void set_clock(void *context, int64_t seconds) {
    const board *const it = (const board *)context;
    (void)it->ask(BOARD_SET_CLOCK, (uint32_t)seconds, (uint32_t)((uint64_t)seconds >> 32));
}

static uint32_t uptime(void *context) {
    const board *const it = (const board *)context;
    return it->ask(BOARD_UPTIME, 0, 0);
}

static void drive_bolt(void *context, opin_action action) {
    const board *const it = (const board *)context;
    (void)it->ask(BOARD_BOLT, action, 0);
}

uint32_t board_bytes(void) {
    return sizeof(board);
}

uint32_t board_memory_bytes(void) {
    return OPIN_MEMORY_BYTES(opin_product.group_count, opin_product.mark_bytes, opin_product.capacity, opin_product.most_keys);
}

/* A whole lock works in its product's own memory. On a host several share that, each in turn. */
static uint8_t *swap_in(const board *it) {
#if defined(OPIN_WHOLE)
    if (it->memory != opin_product_memory) {
        memcpy(opin_product_memory, it->memory, board_memory_bytes());
    }
    return opin_product_memory;
#else
    return it->memory;
#endif
}

static void swap_out(const board *it) {
#if defined(OPIN_WHOLE)
    if (it->memory != opin_product_memory) {
        memcpy(it->memory, opin_product_memory, board_memory_bytes());
    }
#else
    (void)it;
#endif
}

uint32_t board_power_up(board *it, uint8_t *memory, const uint8_t *flash, uint32_t page_bytes, uint32_t page_count, board_ask ask,
                        const uint8_t *token, uint32_t generation) {
    it->ask = ask;
    it->flash = flash;
    it->memory = memory;
    it->port.context = it;
    it->port.page_bytes = page_bytes;
    it->port.page_count = page_count;
    it->port.read = read_flash;
    it->port.program = program;
    it->port.erase = erase;
    it->port.now = now;
    it->port.set_clock = set_clock;
    it->port.uptime = uptime;
    it->port.drive_bolt = drive_bolt;
    const opin_status status = opin_power_up(&it->lock, &opin_product, &it->port, swap_in(it), token, generation);
    swap_out(it);
    return status;
}

uint32_t board_press(board *it, uint32_t key) {
    (void)swap_in(it);
    const bool has_ended = opin_press(&it->lock, (char)key, &it->decision);
    swap_out(it);
    return has_ended ? 1 : 0;
}

uint32_t board_check_value(const board *it) {
    (void)swap_in(it);
    return opin_check_value(&it->lock);
}

/* The latest decision, word by word: reason, action, wait, whether there is a grant, its kind, start, duration index, variant. */
uint32_t board_answer(const board *it, uint32_t which) {
    const opin_decision *const d = &it->decision;
    const uint32_t words[8] = {d->reason, d->action, d->wait, d->has_grant, d->grant.kind, d->grant.start, d->grant.duration, d->grant.variant};
    return words[which];
}

#if defined(OPIN_WHOLE) /* nothing inside the lock is seen from here: known answers are asked of the lock in parts */
uint32_t board_step(uint8_t *token, uint32_t next) {
    (void)token;
    return next & 0U;
}

uint32_t board_open(const uint8_t *token, const char *text, uint32_t window, uint32_t *reading) {
    (void)token;
    (void)text;
    *reading = 0;
    return window & 0U;
}
#else
uint32_t board_step(uint8_t *token, uint32_t next) {
    opin_step(token, next);
    return 1;
}

uint32_t board_open(const uint8_t *token, const char *text, uint32_t window, uint32_t *reading) {
    opin_claim claim;
    opin_grant grant = {0};
    uint32_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    if (!opin_claims(&opin_product, text, length, &claim)) {
        return 0;
    }
    const uint64_t payload = opin_open(&opin_product, token, &claim, window);
    const bool is_one = opin_decode(&opin_product, claim.family, window, payload, &grant);
    const uint32_t family = opin_product.kinds[claim.family->first_kind].family;
    const uint32_t words[BOARD_READING] = {family, (uint32_t)(payload >> 32), (uint32_t)payload, grant.kind, grant.start,
                                           grant.duration, grant.variant};
    memcpy(reading, words, sizeof words);
    return is_one ? 2 : 1;
}
#endif

uint32_t board_status(const board *it) {
    return it->lock.status;
}

uint32_t board_charged_at(const board *it) {
    return it->lock.charged_at;
}
