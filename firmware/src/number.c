/* Arithmetic without a division of 64 bits, big-endian fields, CRC-32, and a comparison whose time tells nothing. */
#include "opin_lock.h"

/* Long division, one bit a step; the same steps for every number. divisor at least 1. */
uint64_t opin_divide(uint64_t number, uint32_t divisor, uint32_t *rest) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < 64; i++) {
        const uint32_t carry = left >> 31;
        left = left << 1 | (uint32_t)(number >> 63);
        const uint32_t take = carry | (uint32_t)(left >= divisor);
        left -= divisor & (0U - take);
        number = number << 1 | take;
    }
    *rest = left;
    return number;
}

uint64_t opin_get(const uint8_t *bytes, uint32_t count) {
    uint64_t number = 0;
    for (uint32_t i = 0; i < count; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

void opin_put(uint8_t *bytes, uint32_t count, uint64_t number) {
    while (count-- > 0) {
        bytes[count] = (uint8_t)number;
        number >>= 8;
    }
}

/* CRC-32 (IEEE 802.3) by half bytes. Begins with all ones; the check value is the complement. */
uint32_t opin_crc(uint32_t crc, uint8_t byte) {
    static const uint32_t table[16] = {
        0x00000000U, 0x1db71064U, 0x3b6e20c8U, 0x26d930acU, 0x76dc4190U, 0x6b6b51f4U, 0x4db26158U, 0x5005713cU,
        0xedb88320U, 0xf00f9344U, 0xd6d6a3e8U, 0xcb61b38cU, 0x9b64c2b0U, 0x86d3d2d4U, 0xa00ae278U, 0xbdbdf21cU,
    };
    crc ^= byte;
    crc = crc >> 4 ^ table[crc & 15];
    return crc >> 4 ^ table[crc & 15];
}

bool opin_equal(const uint8_t *a, const uint8_t *b, uint32_t count) {
    uint32_t different = 0;
    for (uint32_t i = 0; i < count; i++) {
        different |= (uint32_t)(a[i] ^ b[i]);
    }
    return different == 0;
}
