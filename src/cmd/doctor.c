// SPDX-License-Identifier: GPL-2.0-only
/* cpt doctor: does this machine have what cpt needs? */
#include <errno.h>
#include <stdio.h>
#include "base/util.h"
#include "cmd/cmd.h"
#include "engine/doctor.h"

struct report {
	struct json_object *json;
	int missing, required_missing;
};

static void add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static void tell_json(const struct feature *f, const struct err *e, struct report *r)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "name", f->name);
	json_object_object_add(o, "ok", json_object_new_boolean(!e));
	json_object_object_add(o, "required", json_object_new_boolean(f->required));
	if (e) {
		add_text(o, "problem", e->msg);
		add_text(o, "cost", f->cost);
		add_text(o, "advice", *e->advice ? e->advice : f->advice);
	}
	json_object_array_add(r->json, o);
}

static void tell(const struct feature *f, const struct err *e, void *arg)
{
	struct report *r = arg;

	r->missing += e != NULL;
	r->required_missing += e && f->required;
	if (r->json)
		tell_json(f, e, r);
	else if (!e)
		printf("ok       %s\n", f->name);
	else
		printf("%s  %s: %s\n         without it: %s\n         what to do: %s\n", f->required ? "MISSING" : "missing", f->name,
		       e->msg, f->cost, *e->advice ? e->advice : f->advice);
}

static int doctor_main(int argc, char **argv, struct err *e)
{
	struct report r = { 0 };

	if (next_option(&doctor_verb, argc, argv, "", NULL, e) != -1)
		return e->code;
	if (geteuid() != 0) {
		err_set(e, -EPERM, "the tests need root's rights, as everything of cpt does");
		return err_advise(e, "`sudo cpt doctor`");
	}
	r.json = globals.json ? json_object_new_array() : NULL;
	fflush(stdout);
	doctor_run(tell, &r);
	if (r.json)
		print_json(r.json);
	else if (r.missing && !r.required_missing)
		puts("\ncpt works here; what is missing above only matters to some containers.");
	if (!r.required_missing)
		return 0;
	err_set(e, -ENOSYS, "%d thing%s that cpt can't do without %s missing", r.required_missing,
		r.required_missing == 1 ? "" : "s", r.required_missing == 1 ? "is" : "are");
	return err_advise(e, "each is listed with what to do");
}

const struct verb doctor_verb = {
	"doctor", "",
	"Try everything that cpt needs of this machine",
	"Each feature is tested by using it, on things made for the test and removed after it. For\n"
	"whatever is missing it says what that costs and what to do. Fails if cpt can't work here.\n",
	doctor_main,
};
