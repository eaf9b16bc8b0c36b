/* The test board's program on an emulated part: a table of its calls at address 0, and the one word through which the lock asks.
 * A store to the doorbell hands over a question; the emulator leaves the answer behind it, or stops the part there. */
#include "board.h"

typedef struct {
    /* cppcheck-suppress unusedStructMember ; reached through REGISTERS */
    volatile uint32_t doorbell, first, second, answer;
} board_registers;

#define REGISTERS ((board_registers *)0x40000000U)

extern const void *const board_table[];
extern const uint8_t core_start[], core_end[], runtime_end[], product_end[]; /* of part.ld */

static board the_board;

static uint32_t ask(uint32_t question, uint32_t first, uint32_t second) {
    REGISTERS->first = first;
    REGISTERS->second = second;
    REGISTERS->doorbell = question;
    return REGISTERS->answer;
}

static uint32_t part_power_up(const uint8_t *flash, uint32_t page_bytes, uint32_t page_count, const uint8_t *token) {
    const uint32_t generation = REGISTERS->first;
    return board_power_up(&the_board, opin_product_memory, flash, page_bytes, page_count, ask, token, generation);
}

static uint32_t part_press(uint32_t key) {
    return board_press(&the_board, key);
}

static uint32_t part_check_value(void) {
    return board_check_value(&the_board);
}

static uint32_t part_answer(uint32_t which) {
    return board_answer(&the_board, which);
}

static uint32_t part_status(void) {
    return board_status(&the_board);
}

static uint32_t part_charged_at(void) {
    return board_charged_at(&the_board);
}

static uint32_t part_lock_bytes(void) {
    return sizeof(opin_lock);
}

__attribute__((section(".table"), used)) const void *const board_table[] = {
    (const void *)part_power_up, (const void *)part_press,      (const void *)part_check_value, (const void *)part_answer,
    (const void *)part_status,   (const void *)part_lock_bytes, opin_product_memory,            core_start,
    core_end,                    runtime_end,                   product_end,                    (const void *)board_step,
    (const void *)board_open,    (const void *)part_charged_at,
};
