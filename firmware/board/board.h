/* The board that the tests put a lock on: everything outside it is asked for through one function. */
#ifndef OPIN_BOARD_H
#define OPIN_BOARD_H

#include "offlinepin.h"
#if !defined(OPIN_WHOLE)
#include "opin_lock.h"
#endif

/* What the lock asks the board, with two words, and gets one back. */
typedef enum {
    BOARD_PROGRAM,   /* place, word: 1 if it was written */
    BOARD_ERASE,     /* page: 1 if it was erased */
    BOARD_NOW,       /* lower half of the clock's reading */
    BOARD_NOW_UPPER, /* upper half */
    BOARD_SET_CLOCK, /* lower and upper half */
    BOARD_UPTIME,
    BOARD_BOLT,      /* action */
} board_question;

typedef uint32_t (*board_ask)(uint32_t question, uint32_t first, uint32_t second);

typedef struct {
    opin_lock lock;
    opin_port port;
    opin_decision decision;
    board_ask ask;
    const uint8_t *flash; /* the part's content, which the board keeps */
    uint8_t *memory;      /* the lock's, between calls */
} board;

/* What a code reads as under one window: family, payload (upper and lower half), kind, start, duration index, variant. */
enum { BOARD_READING = 7 };

uint32_t board_bytes(void);
uint32_t board_memory_bytes(void);
uint32_t board_power_up(board *it, uint8_t *memory, const uint8_t *flash, uint32_t page_bytes, uint32_t page_count, board_ask ask,
                        const uint8_t *token, uint32_t generation);
uint32_t board_press(board *it, uint32_t key);
uint32_t board_check_value(const board *it);
uint32_t board_answer(const board *it, uint32_t which);
uint32_t board_status(const board *it);
uint32_t board_charged_at(const board *it); /* the uptime of the last charge */

/* Known answers: step a token in place, and open a code. board_open gives 0 if no family claims the text, 1 if it reads as no payload,
 * else 2. */
uint32_t board_step(uint8_t *token, uint32_t next);
uint32_t board_open(const uint8_t *token, const char *text, uint32_t window, uint32_t *reading);

#endif
