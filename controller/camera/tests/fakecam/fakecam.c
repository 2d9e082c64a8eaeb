/* A camera that misbehaves: answers the V4L2 calls on /dev/video0 of a program started with
 * LD_PRELOAD. It owns the device's side of the conversation, and judges nothing.
 *
 *   FAKECAM         what is wrong with it: words from the list below, separated by commas; none
 *                   is a good camera, 640x480 at 30 Hz in MJPG and YUYV
 *   FAKECAM_FILE    a file that holds the words instead, and may change at any time
 *   FAKECAM_FRAMES  folder with 00.jpg to 29.jpg, the pictures it gives in turn; without it, it
 *                   has no MJPG
 *   FAKECAM_TREE    folder whose `before/` stands for /sys/class/video4linux and /dev/v4l, and
 *                   `after/` once the camera was unplugged with `renumbers`
 *
 * first-bad       the first buffer of each opening is no JPEG
 * some-bad        every tenth is none
 * truncated       every tenth has half its bytes; an older picture's bytes lie behind them
 * empty           every tenth is empty and marked as an error
 * odd-picture     every tenth is a picture of another size (odd.jpg)
 * only-bad        none is a JPEG
 * stall           no buffer any more after the 30th of an opening
 * hang            the same, and the call that waits never returns, whatever its time limit
 * gone            the camera is unplugged at the 30th: no such device
 * yuyv-only       no MJPG
 * other-size      1280x720 alone
 * fps-fraction    30000/1001 Hz alone
 * slow            15 Hz alone
 * metadata-node   calls itself a capture device, and offers nothing
 * metadata-caps   says that it captures metadata only
 * h264-current    offers H264 too, and is set to it when it is opened
 * sets-other      takes any size, and sets 320x240
 * busy            somebody else has it
 * busy-off        cannot be stopped, nor its buffers given back: it is busy
 * renumbers       the same as gone; plugged in again it is /dev/video7
 * eio             the 30th buffer is an input/output error
 * frozen          the same picture from the 30th on
 * dark            no light from the 30th on
 * late            pictures are 400 ms old from the 30th on
 * torn            every second has half its bytes from the 30th on
 * short           every tenth raw picture has half its bytes
 * bare            JPEG pictures have no Huffman tables
 * no-controls     has no control
 * keeps-exposure  takes no other exposure time, and does not say so
 * no-stamp        does not say of which clock its stamps are
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 640, HEIGHT = 480, BUFFER_BYTES = WIDTH * HEIGHT * 2, BUFFERS = 4, PICTURES = 30 };
/* A picture is 40 ms old when it comes: stamps of arrival differ from stamps of capture. */
static const long LATENCY_NS = 40 * 1000 * 1000;
static const long SECOND_NS = 1000 * 1000 * 1000;

struct picture {
    unsigned char *bytes;
    long length;
};

static struct picture pictures[PICTURES], odd, dark;
static int device = -1; /* The file of the newest opening. */
static unsigned char *memory;
static unsigned width, height, fourcc, numerator, denominator;
static int queued[BUFFERS], queued_count, streaming;
static long given; /* Buffers since the stream began. */
static struct timespec next;
static int renumbered; /* Whether it was unplugged and has another number now. */

/* A control, and the value that it has. */
struct control {
    unsigned id, type;
    const char *name;
    int min, max, step, value;
};
static struct control controls[] = {
    {V4L2_CID_AUTO_WHITE_BALANCE, V4L2_CTRL_TYPE_BOOLEAN, "White Balance, Automatic", 0, 1, 1, 1},
    {V4L2_CID_GAIN, V4L2_CTRL_TYPE_INTEGER, "Gain", 0, 255, 1, 0},
    {V4L2_CID_POWER_LINE_FREQUENCY, V4L2_CTRL_TYPE_MENU, "Power Line Frequency", 0, 2, 1, 2},
    {V4L2_CID_WHITE_BALANCE_TEMPERATURE, V4L2_CTRL_TYPE_INTEGER, "White Balance Temperature", 2000,
     6500, 10, 4000},
    {V4L2_CID_EXPOSURE_AUTO, V4L2_CTRL_TYPE_MENU, "Auto Exposure", 0, 3, 1, 3},
    {V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CTRL_TYPE_INTEGER, "Exposure Time, Absolute", 3, 2047, 1, 250},
    {V4L2_CID_EXPOSURE_AUTO_PRIORITY, V4L2_CTRL_TYPE_BOOLEAN, "Exposure, Dynamic Framerate", 0, 1, 1,
     1},
};
enum { CONTROLS = sizeof controls / sizeof *controls };

/* Whether `word` is one of FAKECAM's, or of the file's. */
static int is(const char *word) {
    static __thread char text[512];
    const char *words = getenv("FAKECAM"), *path = getenv("FAKECAM_FILE");
    if (path) {
        int file = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
        long length = file < 0 ? 0 : read(file, text, sizeof text - 1);
        if (file >= 0) close(file);
        text[length > 0 ? length : 0] = 0;
        words = text;
    }
    size_t length = strlen(word);
    while (words && *words) {
        size_t one = strcspn(words, ",");
        if (one == length && !memcmp(words, word, length)) return 1;
        words += one + (words[one] == ',');
    }
    return 0;
}

static int fails(int error) {
    errno = error;
    return -1;
}

static struct picture load(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("FAKECAM_FRAMES"), name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        abort();
    }
    struct picture picture;
    fseek(file, 0, SEEK_END);
    picture.length = ftell(file);
    rewind(file);
    picture.bytes = malloc(picture.length);
    if (fread(picture.bytes, 1, picture.length, file) != (size_t)picture.length) abort();
    fclose(file);
    return picture;
}

/* Takes the Huffman tables out of a JPEG. */
static void strip(struct picture *picture) {
    unsigned char *from = picture->bytes + 2, *to = from, *end = picture->bytes + picture->length;
    while (from[1] != 0xda) {
        long length = 2 + from[2] * 256 + from[3];
        if (from[1] != 0xc4) memmove(to, from, length), to += length;
        from += length;
    }
    memmove(to, from, end - from);
    picture->length = to + (end - from) - picture->bytes;
}

static void load_all(void) {
    if (pictures[0].bytes || !getenv("FAKECAM_FRAMES")) return;
    for (int i = 0; i < PICTURES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%02d.jpg", i);
        pictures[i] = load(name);
        if (is("bare")) strip(&pictures[i]);
    }
    odd = load("odd.jpg");
    dark = load("dark.jpg");
}

/* Whether it has raw pictures alone. */
static int is_raw(void) { return is("yuyv-only") || !getenv("FAKECAM_FRAMES"); }

static int open_device(void) {
    load_all();
    device = memfd_create("fakecam", 0);
    if (ftruncate(device, (long)BUFFER_BYTES * BUFFERS)) abort();
    if (memory) munmap(memory, (long)BUFFER_BYTES * BUFFERS);
    memory = mmap(0, (long)BUFFER_BYTES * BUFFERS, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
    width = is("other-size") ? 1280 : WIDTH;
    height = is("other-size") ? 720 : HEIGHT;
    fourcc = is_raw()             ? V4L2_PIX_FMT_YUYV
             : is("h264-current") ? V4L2_PIX_FMT_H264
                                  : V4L2_PIX_FMT_MJPEG;
    numerator = is("fps-fraction") ? 1001 : 1;
    denominator = is("fps-fraction") ? 30000 : is("slow") ? 15 : 30;
    streaming = queued_count = 0;
    return device;
}

/* One file answers for all its duplicates. */
static int is_device(int fd) {
    char link[64], name[64] = "";
    if (device < 0 || fd < 0) return 0;
    if (fd == device) return 1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    return length > 0 && !strncmp(name, "/memfd:fakecam", 14);
}

/* Fills the next buffer; what it held before stays behind what is written. */
static int dequeue(struct v4l2_buffer *b) {
    if ((is("gone") || is("renumbers")) && given >= 30) {
        renumbered |= is("renumbers");
        return fails(ENODEV);
    }
    if (is("eio") && given == 30) {
        given++;
        return fails(EIO);
    }
    int later = given >= 30, number = is("frozen") && later ? 0 : given % PICTURES;
    if (!queued_count || !streaming) return fails(EAGAIN);
    b->index = queued[0];
    memmove(queued, queued + 1, --queued_count * sizeof *queued);
    unsigned char *to = memory + (long)b->index * BUFFER_BYTES;
    struct picture picture = is("dark") && later ? dark : pictures[number];
    int tenth = given % 10 == 9;
    b->flags = is("no-stamp") ? 0 : V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    if (is("odd-picture") && tenth) picture = odd;
    if (fourcc == V4L2_PIX_FMT_YUYV) {
        int is_dark = is("dark") && later;
        /* The same stripes as in the JPEG of this number, in the range of television; no colour. */
        picture.length = WIDTH * HEIGHT * 2;
        for (long i = 0; i < picture.length; i += 2) {
            int stripe = i / 2 % WIDTH / 16;
            /* Noise in the dark: no two pictures are the same. */
            if (is_dark) to[i] = 16 + (i / 2 == given % 1000);
            else to[i] = 16 + (stripe % 2 ? 235 - 4 * number : 20 + 3 * number) * 219 / 255;
            to[i + 1] = 128;
        }
        if ((is("short") && tenth) || (is("torn") && later && given % 2)) picture.length /= 2;
    } else if (is("only-bad") || (is("first-bad") && given == 0) || (is("some-bad") && tenth)) {
        for (long i = 0; i < picture.length; i++) to[i] = (unsigned char)(i * 37 + 11);
    } else if (is("empty") && tenth) {
        picture.length = 0;
        b->flags |= V4L2_BUF_FLAG_ERROR;
    } else {
        if ((is("truncated") && tenth) || (is("torn") && later && given % 2)) picture.length /= 2;
        memcpy(to, picture.bytes, picture.length);
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long stamp_ns = now.tv_sec * SECOND_NS + now.tv_nsec - LATENCY_NS;
    if (is("late") && later) stamp_ns -= 400 * 1000 * 1000;
    b->timestamp.tv_sec = stamp_ns / SECOND_NS;
    b->timestamp.tv_usec = stamp_ns % SECOND_NS / 1000;
    b->bytesused = picture.length;
    b->length = BUFFER_BYTES;
    b->sequence = given++;
    long next_ns = now.tv_sec * SECOND_NS + now.tv_nsec + SECOND_NS / denominator * numerator;
    next.tv_sec = next_ns / SECOND_NS;
    next.tv_nsec = next_ns % SECOND_NS;
    return 0;
}

static int enum_formats(struct v4l2_fmtdesc *f) {
    unsigned codes[3], count = 0;
    if (is("h264-current")) codes[count++] = V4L2_PIX_FMT_H264;
    if (!is("other-size")) codes[count++] = V4L2_PIX_FMT_YUYV;
    if (!is_raw()) codes[count++] = V4L2_PIX_FMT_MJPEG;
    if (is("metadata-node")) count = 0;
    if (f->index >= count) return fails(EINVAL);
    f->pixelformat = codes[f->index];
    return 0;
}

static struct control *control(unsigned id) {
    for (int i = 0; i < CONTROLS && !is("no-controls"); i++)
        if (controls[i].id == id) return &controls[i];
    return 0;
}

static int query_control(struct v4l2_queryctrl *q) {
    if (q->id & V4L2_CTRL_FLAG_NEXT_CTRL) {
        unsigned after = q->id & ~(unsigned)V4L2_CTRL_FLAG_NEXT_CTRL, next_id = 0;
        for (int i = 0; i < CONTROLS && !next_id; i++)
            if (controls[i].id > after) next_id = controls[i].id;
        q->id = next_id;
    }
    struct control *c = control(q->id);
    if (!c) return fails(EINVAL);
    memset(q, 0, sizeof *q);
    q->id = c->id;
    q->type = c->type;
    strcpy((char *)q->name, c->name);
    q->minimum = c->min;
    q->maximum = c->max;
    q->step = q->default_value = c->step;
    return 0;
}

static int query_menu(struct v4l2_querymenu *m) {
    static const char *lines[] = {"Disabled", "50 Hz", "60 Hz"};
    static const char *modes[] = {0, "Manual Mode", 0, "Aperture Priority Mode"};
    const char *name = 0;
    if (m->id == V4L2_CID_POWER_LINE_FREQUENCY && m->index < 3) name = lines[m->index];
    if (m->id == V4L2_CID_EXPOSURE_AUTO && m->index < 4) name = modes[m->index];
    if (!name) return fails(EINVAL);
    strcpy((char *)m->name, name);
    return 0;
}

static int set_control(struct v4l2_control *set) {
    struct control *c = control(set->id);
    if (!c) return fails(EINVAL);
    if (set->value < c->min || set->value > c->max) return fails(ERANGE);
    if (!is("keeps-exposure") || c->id != V4L2_CID_EXPOSURE_ABSOLUTE) c->value = set->value;
    return 0;
}

static int answer(unsigned long request, void *argument) {
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *c = argument;
        memset(c, 0, sizeof *c);
        /* Names are bytes, not text. */
        strcpy((char *)c->card, "Fake \xe9 camera");
        c->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_META_CAPTURE | V4L2_CAP_STREAMING |
                          V4L2_CAP_DEVICE_CAPS;
        c->device_caps = V4L2_CAP_STREAMING |
                         (is("metadata-caps") ? V4L2_CAP_META_CAPTURE : V4L2_CAP_VIDEO_CAPTURE);
        return 0;
    }
    case VIDIOC_ENUM_FMT:
        return enum_formats(argument);
    case VIDIOC_ENUM_FRAMESIZES: {
        struct v4l2_frmsizeenum *f = argument;
        if (f->index) return fails(EINVAL);
        f->type = V4L2_FRMSIZE_TYPE_DISCRETE;
        f->discrete.width = is("other-size") ? 1280 : WIDTH;
        f->discrete.height = is("other-size") ? 720 : HEIGHT;
        return 0;
    }
    case VIDIOC_ENUM_FRAMEINTERVALS: {
        struct v4l2_frmivalenum *f = argument;
        if (f->index) return fails(EINVAL);
        f->type = V4L2_FRMIVAL_TYPE_DISCRETE;
        f->discrete.numerator = is("fps-fraction") ? 1001 : 1;
        f->discrete.denominator = is("fps-fraction") ? 30000 : is("slow") ? 15 : 30;
        return 0;
    }
    case VIDIOC_S_FMT: {
        struct v4l2_format *f = argument;
        if (is("busy")) return fails(EBUSY);
        width = is("sets-other") ? 320 : f->fmt.pix.width;
        height = is("sets-other") ? 240 : f->fmt.pix.height;
        fourcc = f->fmt.pix.pixelformat;
    } /* fallthrough */
    case VIDIOC_G_FMT: {
        struct v4l2_format *f = argument;
        f->fmt.pix.width = width;
        f->fmt.pix.height = height;
        f->fmt.pix.pixelformat = fourcc;
        f->fmt.pix.sizeimage = BUFFER_BYTES;
        f->fmt.pix.bytesperline = fourcc == V4L2_PIX_FMT_YUYV ? 2 * width : 0;
        f->fmt.pix.colorspace = 77; /* One that nobody has heard of. */
        return 0;
    }
    case VIDIOC_S_PARM: {
        struct v4l2_streamparm *p = argument;
        if (!is("slow") && !is("fps-fraction")) {
            numerator = p->parm.capture.timeperframe.numerator;
            denominator = p->parm.capture.timeperframe.denominator;
        }
    } /* fallthrough */
    case VIDIOC_G_PARM: {
        struct v4l2_streamparm *p = argument;
        p->parm.capture.timeperframe.numerator = numerator;
        p->parm.capture.timeperframe.denominator = denominator;
        return 0;
    }
    case VIDIOC_QUERYCTRL:
        return query_control(argument);
    case VIDIOC_QUERYMENU:
        return query_menu(argument);
    case VIDIOC_S_CTRL:
        return set_control(argument);
    case VIDIOC_G_CTRL: {
        struct v4l2_control *get = argument;
        struct control *c = control(get->id);
        if (!c) return fails(EINVAL);
        get->value = c->value;
        return 0;
    }
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *b = argument;
        if (is("busy-off") && !b->count) return fails(EBUSY);
        if (b->count > BUFFERS) b->count = BUFFERS;
        return 0;
    }
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *b = argument;
        b->length = BUFFER_BYTES;
        b->m.offset = b->index * BUFFER_BYTES;
        return 0;
    }
    case VIDIOC_QBUF:
        if (queued_count == BUFFERS) return fails(EINVAL);
        queued[queued_count++] = ((struct v4l2_buffer *)argument)->index;
        return 0;
    case VIDIOC_STREAMON:
        streaming = 1;
        given = 0;
        clock_gettime(CLOCK_MONOTONIC, &next);
        return 0;
    case VIDIOC_STREAMOFF:
        if (is("busy-off")) return fails(EBUSY);
        streaming = queued_count = 0;
        return 0;
    case VIDIOC_DQBUF:
        return dequeue(argument);
    default:
        return fails(ENOTTY);
    }
}

/* Waits until the next buffer is due, or for the time limit. */
static int wait_for_buffer(struct pollfd *poll_fd, int timeout_ms) {
    if ((is("stall") || is("hang")) && given >= 30) {
        if (is("hang") || timeout_ms < 0)
            for (;;) pause();
        usleep(timeout_ms * 1000);
        return 0;
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, 0) == EINTR) {}
    poll_fd->revents = POLLIN;
    return 1;
}

/* The calls of the C library that a program reaches a device by. What is not for this device goes
 * on to the library. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Where a path of the system is told to be. */
static const char *path_of(const char *path, char *buffer, size_t size) {
    const char *tree = getenv("FAKECAM_TREE");
    if (!tree || (strncmp(path, "/sys/class/video4linux", 22) && strncmp(path, "/dev/v4l", 8)))
        return path;
    snprintf(buffer, size, "%s/%s%s", tree, renumbered ? "after" : "before", path);
    return buffer;
}

static int is_node(const char *path) {
    return !strcmp(path, renumbered ? "/dev/video7" : "/dev/video0");
}

#define DEFINE_OPEN(name)                                                                        \
    int name(const char *path, int flags, ...) {                                                 \
        va_list rest;                                                                            \
        va_start(rest, flags);                                                                   \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                  \
        va_end(rest);                                                                            \
        char buffer[4096];                                                                       \
        if (is_node(path)) return open_device();                                                 \
        return NEXT(name)(path_of(path, buffer, sizeof buffer), flags, mode);                    \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

DIR *opendir(const char *path) {
    char buffer[4096];
    return NEXT(opendir)(path_of(path, buffer, sizeof buffer));
}

ssize_t readlink(const char *path, char *to, size_t size) {
    char buffer[4096];
    return NEXT(readlink)(path_of(path, buffer, sizeof buffer), to, size);
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    if (count == 1 && is_device(fds->fd)) return wait_for_buffer(fds, timeout_ms);
    return NEXT(poll)(fds, count, timeout_ms);
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return is_device(fd) ? answer(request, argument) : NEXT(ioctl)(fd, request, argument);
}

long syscall(long number, ...) {
    static __typeof__(&syscall) next_syscall;
    long x[6];
    va_list rest;
    va_start(rest, number);
    for (int i = 0; i < 6; i++) x[i] = va_arg(rest, long);
    va_end(rest);
    if (number == SYS_ioctl && is_device((int)x[0])) return answer(x[1], (void *)x[2]);
    if (!next_syscall) next_syscall = NEXT(syscall);
    return next_syscall(number, x[0], x[1], x[2], x[3], x[4], x[5]);
}
