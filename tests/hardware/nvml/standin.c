/* Stands in for NVIDIA's libnvidia-ml.so.1. What it answers stands in the text file that
 * NVML_WORLD names, read anew at every call, so that the machine can change under a running
 * program. One thing a line, fields parted by '|':
 *
 *   driver|550.54.14|12040
 *   gpu|UUID|NAME|TOTAL MiB|FREE MiB|UTILISATION or -|1 in MIG mode, else 0
 *   part|UUID of the GPU|UUID|NAME|TOTAL MiB|FREE MiB
 *   process|UUID of GPU or part|PID|MiB or -|1 under MPS, else 0
 *   capability|UUID|MAJOR|MINOR
 *   mode|UUID|compute mode, a number
 *   errors|UUID|uncorrected errors of memory
 *   fail|FUNCTION|CODE|UUID or *
 *
 * Without a file there is no driver. A handle is a pointer to the interned uuid.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
enum {
    SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15
};
enum { UNCORRECTED = 1, SINCE_RESET = 0 };
enum { FIELDS = 8, LINES = 256, WIDTH = 256, UUIDS = 256, MIG_PLACES = 7 };
typedef unsigned long long bytes_t;
typedef struct { bytes_t total, free, used; } memory_t;
typedef struct { unsigned version; bytes_t total, reserved, free, used; } memory_v2_t;
typedef struct { unsigned gpu, memory; } utilization_t;
typedef struct { unsigned pid; bytes_t used; unsigned gpu_instance, compute_instance; } process_t;
typedef const char *device_t;
typedef struct { char text[WIDTH]; char *field[FIELDS]; int count; } line_t;

static line_t world[LINES];
static int lines;

static int read_world(void) {
    const char *path = getenv("NVML_WORLD");
    FILE *file = path ? fopen(path, "r") : NULL;
    lines = 0;
    if (!file) return DRIVER_NOT_LOADED;
    while (lines < LINES && fgets(world[lines].text, WIDTH, file)) {
        line_t *line = &world[lines];
        char *rest = line->text, *field;
        line->text[strcspn(line->text, "\n")] = 0;
        line->count = 0;
        while (line->count < FIELDS && (field = strsep(&rest, "|"))) line->field[line->count++] = field;
        if (*line->field[0]) lines++;
    }
    fclose(file);
    return SUCCESS;
}

static int is(const line_t *line, const char *kind, int fields) {
    return line->count >= fields && !strcmp(line->field[0], kind);
}

/* Read the world, and return what `call` on `device` (or NULL) must fail with, if it must. */
static int begin(const char *call, device_t device) {
    int code = read_world();
    if (code) return code;
    for (int i = 0; i < lines; i++) {
        const line_t *line = &world[i];
        if (!is(line, "fail", 4) || strcmp(line->field[1], call)) continue;
        if (!strcmp(line->field[3], "*") || (device && !strcmp(line->field[3], device)))
            return atoi(line->field[2]);
    }
    return SUCCESS;
}

static device_t intern(const char *uuid) {
    static char *known[UUIDS];
    static int count;
    for (int i = 0; i < count; i++)
        if (!strcmp(known[i], uuid)) return known[i];
    return count < UUIDS ? (known[count++] = strdup(uuid)) : NULL;
}

/* Fields from the name on are the same for a whole GPU and a part. */
static char **description(device_t device, int *is_part) {
    for (int i = 0; i < lines; i++) {
        int part = is(&world[i], "part", 6);
        if (!part && !is(&world[i], "gpu", 7)) continue;
        if (strcmp(world[i].field[1 + part], device)) continue;
        if (is_part) *is_part = part;
        return &world[i].field[2 + part];
    }
    return NULL;
}

/* Begin a call on a device; one that is no longer in the world is lost. */
static int begin_on(const char *call, device_t device, char ***about, int *is_part) {
    int code = begin(call, device);
    if (code) return code;
    *about = description(device, is_part);
    return *about ? SUCCESS : GPU_IS_LOST;
}

/* Hand out the handle of the nth line of a kind, of a given parent if there is one. */
static int handle_at(const char *call, const char *kind, device_t parent, unsigned n, device_t *out) {
    int fields = parent ? 6 : 7;
    for (int i = 0; i < lines; i++) {
        if (!is(&world[i], kind, fields)) continue;
        if (parent && strcmp(world[i].field[1], parent)) continue;
        if (n-- > 0) continue;
        *out = intern(world[i].field[parent ? 2 : 1]);
        return begin(call, *out);
    }
    return parent ? NOT_FOUND : INVALID_ARGUMENT;
}

static int copy(char *to, unsigned size, const char *text) {
    return snprintf(to, size, "%s", text) < (int)size ? SUCCESS : INSUFFICIENT_SIZE;
}

static bytes_t mebibytes(const char *text) { return strtoull(text, NULL, 10) << 20; }

EXPORT int nvmlInitWithFlags(unsigned flags) { (void)flags; return begin("nvmlInit", NULL); }
EXPORT int nvmlInit_v2(void) { return begin("nvmlInit", NULL); }
EXPORT int nvmlShutdown(void) { return SUCCESS; }
EXPORT const char *nvmlErrorString(int code) { (void)code; return "a stand-in's error"; }

EXPORT int nvmlSystemGetDriverVersion(char *version, unsigned size) {
    int code = begin("nvmlSystemGetDriverVersion", NULL);
    for (int i = 0; !code && i < lines; i++)
        if (is(&world[i], "driver", 3)) return copy(version, size, world[i].field[1]);
    return code ? code : NOT_SUPPORTED;
}

/* What the world says of a device under a word, NULL where it says nothing. */
static char **told(const char *word, device_t device, int fields) {
    for (int i = 0; i < lines; i++)
        if (is(&world[i], word, fields) && !strcmp(world[i].field[1], device)) return &world[i].field[2];
    return NULL;
}

EXPORT int nvmlDeviceGetCudaComputeCapability(device_t device, int *major, int *minor) {
    char **about, **said;
    int code = begin_on("nvmlDeviceGetCudaComputeCapability", device, &about, NULL);
    if (code) return code;
    if (!(said = told("capability", device, 4))) return NOT_SUPPORTED;
    *major = atoi(said[0]);
    *minor = atoi(said[1]);
    return SUCCESS;
}

EXPORT int nvmlDeviceGetComputeMode(device_t device, unsigned *mode) {
    char **about, **said;
    int code = begin_on("nvmlDeviceGetComputeMode", device, &about, NULL);
    if (code) return code;
    if (!(said = told("mode", device, 3))) return NOT_SUPPORTED;
    *mode = atoi(said[0]);
    return SUCCESS;
}

EXPORT int nvmlDeviceGetTotalEccErrors(device_t device, int kind, int counter, bytes_t *count) {
    char **about, **said;
    int code = begin_on("nvmlDeviceGetTotalEccErrors", device, &about, NULL);
    if (code) return code;
    if (kind != UNCORRECTED || counter != SINCE_RESET || !(said = told("errors", device, 3)))
        return NOT_SUPPORTED;
    *count = strtoull(said[0], NULL, 10);
    return SUCCESS;
}

EXPORT int nvmlSystemGetCudaDriverVersion(int *version) {
    int code = begin("nvmlSystemGetCudaDriverVersion", NULL);
    for (int i = 0; !code && i < lines; i++)
        if (is(&world[i], "driver", 3)) return (*version = atoi(world[i].field[2]), SUCCESS);
    return code ? code : NOT_SUPPORTED;
}

EXPORT int nvmlDeviceGetCount_v2(unsigned *count) {
    int code = begin("nvmlDeviceGetCount", NULL);
    *count = 0;
    for (int i = 0; i < lines; i++) *count += is(&world[i], "gpu", 7);
    return code;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, device_t *device) {
    int code = begin("nvmlDeviceGetHandleByIndex", NULL);
    return code ? code : handle_at("nvmlDeviceGetHandleByIndex", "gpu", NULL, index, device);
}

EXPORT int nvmlDeviceGetHandleByUUID(const char *uuid, device_t *device) {
    int code = begin("nvmlDeviceGetHandleByUUID", uuid);
    if (code) return code;
    *device = intern(uuid);
    return description(uuid, NULL) ? SUCCESS : NOT_FOUND;
}

EXPORT int nvmlDeviceGetName(device_t device, char *name, unsigned size) {
    char **about;
    int code = begin_on("nvmlDeviceGetName", device, &about, NULL);
    return code ? code : copy(name, size, about[0]);
}

EXPORT int nvmlDeviceGetUUID(device_t device, char *uuid, unsigned size) {
    char **about;
    int code = begin_on("nvmlDeviceGetUUID", device, &about, NULL);
    return code ? code : copy(uuid, size, device);
}

EXPORT int nvmlDeviceGetMemoryInfo(device_t device, memory_t *memory) {
    char **about;
    int code = begin_on("nvmlDeviceGetMemoryInfo", device, &about, NULL);
    if (code) return code;
    memory->total = mebibytes(about[1]);
    memory->free = mebibytes(about[2]);
    memory->used = memory->total - memory->free;
    return SUCCESS;
}

EXPORT int nvmlDeviceGetMemoryInfo_v2(device_t device, memory_v2_t *memory) {
    memory_t first;
    int code = nvmlDeviceGetMemoryInfo(device, &first);
    if (code) return code;
    memory->total = first.total;
    memory->free = first.free;
    memory->used = first.used;
    memory->reserved = 0;
    return SUCCESS;
}

EXPORT int nvmlDeviceGetUtilizationRates(device_t device, utilization_t *rates) {
    char **about;
    int part, code = begin_on("nvmlDeviceGetUtilizationRates", device, &about, &part);
    if (code) return code;
    if (part || !strcmp(about[3], "-")) return NOT_SUPPORTED;
    rates->gpu = rates->memory = atoi(about[3]);
    return SUCCESS;
}

static int list(const char *call, device_t device, int mps, unsigned *room, process_t *out) {
    char **about;
    int code = begin_on(call, device, &about, NULL);
    unsigned found = 0;
    if (code) return code;
    for (int i = 0; i < lines; i++) {
        const line_t *line = &world[i];
        if (!is(line, "process", 5) || strcmp(line->field[1], device)) continue;
        if (atoi(line->field[4]) != mps) continue;
        if (out && found < *room) {
            bytes_t used = strcmp(line->field[3], "-") ? mebibytes(line->field[3]) : ~0ULL;
            out[found] = (process_t){strtoul(line->field[2], NULL, 10), used, ~0U, ~0U};
        }
        found++;
    }
    code = found > *room ? INSUFFICIENT_SIZE : SUCCESS;
    *room = found;
    return code;
}

EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(device_t device, unsigned *room, process_t *out) {
    return list("nvmlDeviceGetComputeRunningProcesses_v3", device, 0, room, out);
}

EXPORT int nvmlDeviceGetComputeRunningProcesses_v2(device_t device, unsigned *room, process_t *out) {
    return list("nvmlDeviceGetComputeRunningProcesses_v2", device, 0, room, out);
}

EXPORT int nvmlDeviceGetMPSComputeRunningProcesses_v3(device_t device, unsigned *room, process_t *out) {
    return list("nvmlDeviceGetMPSComputeRunningProcesses_v3", device, 1, room, out);
}

EXPORT int nvmlDeviceGetMPSComputeRunningProcesses_v2(device_t device, unsigned *room, process_t *out) {
    return list("nvmlDeviceGetMPSComputeRunningProcesses_v2", device, 1, room, out);
}

EXPORT int nvmlDeviceGetMigMode(device_t device, unsigned *current, unsigned *pending) {
    char **about;
    int part, code = begin_on("nvmlDeviceGetMigMode", device, &about, &part);
    if (code) return code;
    if (part) return INVALID_ARGUMENT;
    *current = *pending = atoi(about[4]);
    return SUCCESS;
}

EXPORT int nvmlDeviceGetMaxMigDeviceCount(device_t device, unsigned *count) {
    char **about;
    int code = begin_on("nvmlDeviceGetMaxMigDeviceCount", device, &about, NULL);
    if (!code) *count = MIG_PLACES;
    return code;
}

EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(device_t device, unsigned index, device_t *part) {
    char **about;
    int code = begin_on("nvmlDeviceGetMigDeviceHandleByIndex", device, &about, NULL);
    return code ? code : handle_at("nvmlDeviceGetMigDeviceHandleByIndex", "part", device, index, part);
}
