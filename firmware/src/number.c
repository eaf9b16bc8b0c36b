/* Arithmetic without the processor's division, big-endian fields, CRC-32, and a comparison whose time tells nothing. */
#include "opin_lock.h"

/* Long division, one bit a step: the rest is in the upper half, the quotient comes in behind the number. The rest is never more than the
 * bits so far, so it has room. divisor at least 1. */
OPIN_LOCAL uint64_t opin_long_division(uint32_t number, uint32_t divisor) {
    uint64_t pair = number;
    for (uint32_t i = 0; i < 32; i++) {
        pair <<= 1;
        if ((uint32_t)(pair >> 32) >= divisor) {
            pair = (pair - ((uint64_t)divisor << 32)) | 1;
        }
    }
    return pair;
}

/* A big-endian number of four bytes. */
OPIN_LOCAL uint32_t opin_get(const uint8_t *bytes) {
    uint32_t number = 0;
    for (uint32_t i = 0; i < 4; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

OPIN_LOCAL void opin_put(uint8_t *bytes, uint32_t number) {
    for (uint32_t i = 4; i-- > 0;) {
        bytes[i] = (uint8_t)number;
        number >>= 8;
    }
}

/* CRC-32 (IEEE 802.3). Begins with all ones; the check value is the complement. */
OPIN_LOCAL uint32_t opin_crc(uint32_t crc, uint8_t byte) {
    crc ^= byte;
    for (uint32_t i = 0; i < 8; i++) {
        crc = crc >> 1 ^ (0xedb88320U & (0U - (crc & 1)));
    }
    return crc;
}

OPIN_LOCAL bool opin_equal(const uint8_t *a, const uint8_t *b, uint32_t count) {
    uint32_t different = 0;
    for (uint32_t i = 0; i < count; i++) {
        different |= (uint32_t)(a[i] ^ b[i]);
    }
    return different == 0;
}
