/* The whole lock as one source with its product's table, which includes this file if OPIN_WHOLE is defined. The compiler then knows the
 * table: it leaves out what the product cannot use, and what it does use becomes smaller. Compile the table alone. */
#ifndef OPIN_WHOLE_H
#define OPIN_WHOLE_H

#include "number.c"
#include "token.c"
#include "payload.c"
#include "image.c"
#include "memory.c"
#include "decide.c"
#include "journal.c"
#include "door.c"

#endif
