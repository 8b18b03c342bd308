/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Status codes in words, and the version. */
#include <calm/base.h>

const char *calm_version(void)
{
	return CALM_VERSION_STRING;
}

const char *calm_strerror(calm_status status)
{
	switch (status) {
	case CALM_OK:
		return "done";
	case CALM_ABSENT:
		return "the map holds no binding for the key";
	case CALM_PRESENT:
		return "the map already holds a binding for the key";
	case CALM_CHANGED:
		return "the map holds another value than expected";
	case CALM_ENOMEM:
		return "no memory";
	case CALM_EINVAL:
		return "an argument is NULL or out of its range";
	case CALM_EKEY:
		return "the key is of the other kind, or too long";
	case CALM_EUNSUPPORTED:
		return "this kind of map cannot do that";
	case CALM_ESTALE:
		return "the snapshot was ousted to keep its map within its budget";
	case CALM_EBUSY:
		return "a snapshot is open, or the caller is inside a read section";
	}
	return "unknown status";
}
