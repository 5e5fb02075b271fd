/*
 * admit_store.c
 *		A device as it is now, whatever snapshot its caller has.
 */
#include "postgres.h"

#include "call/call.h"
#include "store/statement.h"

static LsStatement read_device = {
	"SELECT d.is_active::pg_catalog.int4, (d.wipe_at IS NOT NULL)::pg_catalog.int4, d.ctid FROM learnsync_data.device d"
	" WHERE d.learner_id" EQ "$1 AND d.device_id" EQ "$2",
	{"pg_catalog.text", "pg_catalog.text", NULL}};

void
ls_store_read_device(LsText learner, LsDevice *device)
{
	Datum values[] = {ls_text_to_datum(learner), ls_text_to_datum(device->id)};
	bool isnull;

	device->exists = ls_store_latest(&read_device, values) > 0;
	device->active = device->exists && ls_store_int(0, 1) != 0;
	device->wipes = device->exists && ls_store_int(0, 2) != 0;
	if (device->exists)
		device->place = *(ItemPointer) DatumGetPointer(ls_store_value(0, 3, &isnull));
}
