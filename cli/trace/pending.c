#include "cli/trace/trace.h"
__attribute__((weak)) bool trace_page_write(const struct trace_timeline *t, FILE *f){(void)t;(void)f;return true;}
__attribute__((weak)) bool trace_perfetto_write(const struct trace_timeline *t, FILE *f){(void)t;(void)f;return true;}
__attribute__((weak)) bool trace_pprof_write(const struct trace_timeline *t, FILE *f){(void)t;(void)f;return true;}
__attribute__((weak)) bool trace_summary(const struct trace_timeline *t, const char *const *files, bool json, FILE *f){(void)files;(void)json;(void)fprintf(f, "%lu events %lu samples %lu spans\n",t->recording->event_count,t->recording->sample_count,t->span_count);return true;}
