/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Ways out, by how a symbol's name begins; the first that fits is it. */
#include "cli/scan/gohints.h"

static const struct {
	const char *begins, *hint;
} hints[] = {
	{"runtime.mallocgc", "allocate with make or new"},
	{"runtime.newobject", "allocate with new"},
	{"runtime.newarray", "allocate with make"},
	{"runtime.makeslice", "allocate with make"},
	{"runtime.growslice", "use append, or slices.Grow"},
	{"runtime.memmove", "use copy"},
	{"runtime.typedmemmove", "assign, or use reflect.Value.Set"},
	{"runtime.memclr", "use clear"},
	{"runtime.nanotime", "use time.Since with a time.Now kept from before: it is monotonic"},
	{"runtime.walltime", "use time.Now"},
	{"runtime.cputicks", "use time.Since"},
	{"time.now", "use time.Now"},
	{"time.runtimeNano", "use time.Since with a time.Now kept from before: it is monotonic"},
	{"runtime.fastrand", "use math/rand/v2"},
	{"runtime.cheaprand", "use math/rand/v2"},
	{"runtime.rand", "use math/rand/v2"},
	{"sync.fastrand", "use math/rand/v2"},
	{"os.fastrand", "use math/rand/v2"},
	{"runtime.memhash", "use hash/maphash"},
	{"runtime.strhash", "use hash/maphash"},
	{"runtime.stringHash", "use hash/maphash"},
	{"runtime.bytesHash", "use hash/maphash"},
	{"runtime.typehash", "use hash/maphash.Comparable"},
	{"runtime.nilinterhash", "use hash/maphash.Comparable"},
	{"runtime.efaceHash", "use hash/maphash.Comparable"},
	{"runtime.aeshash", "use hash/maphash"},
	{"runtime.mapiter", "use reflect.Value.MapRange, or maps.All"},
	{"reflect.mapiter", "use reflect.Value.MapRange, or maps.All"},
	{"runtime.map", "use a map, or reflect.Value.MapIndex"},
	{"reflect.map", "use a map, or reflect.Value.MapIndex"},
	{"runtime.gopark", "wait on a channel or a sync.Cond"},
	{"runtime.goready", "wake through a channel or a sync.Cond"},
	{"runtime.gosched", "use runtime.Gosched"},
	{"runtime.goyield", "use runtime.Gosched"},
	{"runtime.sem", "use golang.org/x/sync/semaphore, or a channel"},
	{"sync.runtime_Sem", "use golang.org/x/sync/semaphore, or a channel"},
	{"runtime.procPin", "use sync.Pool, or shards chosen by a hash"},
	{"runtime.procUnpin", "use sync.Pool, or shards chosen by a hash"},
	{"sync.runtime_procPin", "use sync.Pool, or shards chosen by a hash"},
	{"sync.runtime_procUnpin", "use sync.Pool, or shards chosen by a hash"},
	{"sync_atomic.runtime_proc", "use sync.Pool, or shards chosen by a hash"},
	{"runtime.readgstatus", "use runtime/metrics, or the goroutine profile of runtime/pprof"},
	{"runtime.allg", "use the goroutine profile of runtime/pprof"},
	{"runtime.allm", "use the threadcreate profile of runtime/pprof"},
	{"runtime.stopTheWorld",
	 "use runtime/debug or runtime/pprof, which stop the world themselves"},
	{"runtime.startTheWorld",
	 "use runtime/debug or runtime/pprof, which stop the world themselves"},
	{"runtime.firstmoduledata", "use runtime.FuncForPC, or debug/buildinfo"},
	{"runtime.lastmoduledatap", "use runtime.FuncForPC, or debug/buildinfo"},
	{"runtime.activeModules", "use runtime.FuncForPC, or debug/buildinfo"},
	{"runtime.findfunc", "use runtime.FuncForPC"},
	{"runtime.sysAlloc", "map memory with golang.org/x/sys/unix.Mmap"},
	{"runtime.sysFree", "map memory with golang.org/x/sys/unix.Mmap"},
	{"runtime.throw", "use panic"},
	{"runtime.asmcgocall", "call C through cgo"},
	{"runtime.cgocall", "call C through cgo"},
	{"runtime.getitab", "use a type assertion"},
	{"runtime.assertE2I", "use a type assertion"},
	{"reflect.ifaceE2I", "use a type assertion"},
	{"reflect.unsafe_New", "use reflect.New"},
	{"reflect.typedmemmove", "use reflect.Value.Set"},
	{"reflect.typelinks", "register the types in a table of your own"},
	{"net.zoneCache", "use net.InterfaceByName"},
};

const char *go_hint(struct scan_span symbol)
{
	for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
		if (scan_begins(symbol, hints[i].begins))
			return hints[i].hint;
	}
	return NULL;
}
