/*
 * Gamepads that are not there: starts a program among mocked input devices (umockdev), and plugs,
 * plays and unplugs pads as it is told on a Unix socket.
 *
 *     umockdev-wrapper ./pads SOCKET PROGRAM [ARGUMENT...]
 *
 * SOCKET is made before PROGRAM starts and is removed at the end. PROGRAM (a dynamically linked one)
 * and those that it starts see the mocked devices and no others below /sys; the exit code is its own,
 * 128 + N if signal N ended it. SIGTERM and SIGINT are passed on to it; it gets SIGTERM when this
 * program is killed.
 *
 * One client at a time. Each line is a command, each is answered by one line, "ok ..." or
 * "error ...", when it has been carried out; the program that reads the pad has not heard of it then:
 *
 *     plug FILE                     Plugs in what FILE.umockdev and FILE.ioctl describe: "ok NODE".
 *                                   The files describe a pad as event20, input20 and minor 84; each
 *                                   plugging-in gets the next numbers, so the first is event20.
 *     event [NODE] TYPE CODE VALUE [TYPE CODE VALUE...]
 *                                   The pad says all of these at once, in the kernel's numbers
 *                                   (linux/input-event-codes.h): "event 1 311 1" presses RB of an Xbox
 *                                   pad, "event 3 0 32767 3 1 0" puts its left stick to the right.
 *                                   A SYN_REPORT follows. Without NODE: the pad plugged in last.
 *     vanish [NODE]                 Reading it fails from now on, as after a pulled plug, but udev
 *                                   says nothing; "unplug" comes after it.
 *     unplug [NODE]                 Pulled out: reading it fails, and udev says so.
 *
 * Build: cc -O1 -o pads pads.c $(pkg-config --cflags --libs umockdev-1.0)
 *
 * Limits: no rumble (umockdev does not answer EVIOCSFF, so a pad that says it can shake is taken for
 * one that cannot); the answers in an .ioctl file must have exactly the lengths that gilrs asks for,
 * in particular EVIOCGNAME 128 and EVIOCGBIT(21) 13; what is held while a pad is plugged in is
 * unknown to its reader until it changes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/input.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <umockdev.h>
#include <unistd.h>

#define MOST_PADS 64
#define FIRST_EVENT 20
#define FIRST_MINOR 84
#define MOST_EVENTS 16

struct pad {
    char node[32];    /* event20 */
    char path[64];    /* /dev/input/event20 */
    char sys[256];    /* below /sys */
    char terminal[32]; /* what the device is made of: /dev/pts/7 */
    int fd;           /* what is written here is read from the device; -1 once it vanished */
    int plugged;
};

static UMockdevTestbed *testbed;
static struct pad pads[MOST_PADS];
static int count;

static struct pad *find(const char *node) {
    if (!node)
        return count ? &pads[count - 1] : NULL;
    for (int i = 0; i < count; i++)
        if (!strcmp(pads[i].node, node))
            return &pads[i];
    return NULL;
}

/* What tells udev's readers that a device is a pad. */
#define IS_A_PAD "ID_INPUT_JOYSTICK"

/* The description of FILE with the numbers of the pad that is plugged in next, without a word of its
   being a pad; free it. */
static char *renumbered(const char *file) {
    char *path = g_strconcat(file, ".umockdev", NULL), *text = NULL;
    g_file_get_contents(path, &text, NULL, NULL);
    g_free(path);
    if (!text)
        return NULL;
    GString *described = g_string_new(text);
    g_free(text);
    const char *numbered[] = {"event", "input", "MINOR=", "13:"};
    for (int i = 0; i < 4; i++) {
        int first = i < 2 ? FIRST_EVENT : FIRST_MINOR;
        char *from = g_strdup_printf("%s%d", numbered[i], first);
        char *to = g_strdup_printf("%s%d", numbered[i], first + count);
        g_string_replace(described, from, to, 0);
        g_free(from);
        g_free(to);
    }
    g_string_replace(described, "E: " IS_A_PAD "=1\n", "", 0);
    return g_string_free(described, FALSE);
}

static void plug(const char *file, FILE *out) {
    char *described = file && count < MOST_PADS ? renumbered(file) : NULL;
    if (!described || strncmp(described, "P: ", 3)) {
        fprintf(out, "error no pad %s.umockdev, or more than %d\n", file ? file : "", MOST_PADS);
        g_free(described);
        return;
    }
    struct pad *pad = &pads[count];
    snprintf(pad->node, sizeof pad->node, "event%d", FIRST_EVENT + count);
    snprintf(pad->path, sizeof pad->path, "/dev/input/event%d", FIRST_EVENT + count);
    snprintf(pad->sys, sizeof pad->sys, "/sys%.*s", (int)strcspn(described + 3, "\n"), described + 3);
    char *answers = g_strconcat(file, ".ioctl", NULL);
    GError *error = NULL;
    int added = umockdev_testbed_add_from_string(testbed, described, &error) &&
                umockdev_testbed_load_ioctl(testbed, pad->path, answers, &error);
    g_free(answers);
    g_free(described);
    if (!added) {
        fprintf(out, "error %s\n", error->message);
        g_clear_error(&error);
        return;
    }
    pad->fd = umockdev_testbed_get_dev_fd(testbed, pad->path);
    /* The device is a terminal, which must not make anything of the bytes. */
    struct termios raw;
    if (pad->fd < 0 || tcgetattr(pad->fd, &raw) ||
        ptsname_r(pad->fd, pad->terminal, sizeof pad->terminal)) {
        fprintf(out, "error no device %s\n", pad->path);
        return;
    }
    cfmakeraw(&raw);
    tcsetattr(pad->fd, TCSANOW, &raw);
    pad->plugged = 1;
    count++;
    /* The library told of the device when it added it, before the answers were loaded: who opens it
       then is ended by its preload. So it becomes a pad only now. */
    umockdev_testbed_set_property(testbed, pad->sys, IS_A_PAD, "1");
    umockdev_testbed_uevent(testbed, pad->sys, "add");
    fprintf(out, "ok %s\n", pad->node);
}

static void say(char *word, char **rest, FILE *out) {
    char *node = NULL;
    if (word && !strncmp(word, "event", 5)) {
        node = word;
        word = strtok_r(NULL, " ", rest);
    }
    struct pad *pad = find(node);
    if (!pad || !pad->plugged || pad->fd < 0) {
        fprintf(out, "error no such pad is plugged in\n");
        return;
    }
    struct input_event events[MOST_EVENTS + 1];
    memset(events, 0, sizeof events);
    int n = 0;
    while (word && n < MOST_EVENTS) {
        char *code = strtok_r(NULL, " ", rest), *value = strtok_r(NULL, " ", rest);
        if (!code || !value) {
            fprintf(out, "error an event is TYPE CODE VALUE\n");
            return;
        }
        events[n].type = strtol(word, NULL, 0);
        events[n].code = strtol(code, NULL, 0);
        events[n].value = strtol(value, NULL, 0);
        n++;
        word = strtok_r(NULL, " ", rest);
    }
    if (!n || word) {
        fprintf(out, "error 1 to %d events at once\n", MOST_EVENTS);
        return;
    }
    struct timeval now;
    gettimeofday(&now, NULL);
    for (int i = 0; i <= n; i++)
        events[i].time = now;
    ssize_t size = (n + 1) * sizeof events[0];
    if (write(pad->fd, events, size) != size)
        fprintf(out, "error %s\n", strerror(errno));
    else
        fprintf(out, "ok\n");
}

static void vanish(struct pad *pad) {
    if (pad->fd >= 0)
        close(pad->fd);
    pad->fd = -1;
}

static void make_devices_folder(void) {
    char *input = g_build_filename(umockdev_testbed_get_root_dir(testbed), "dev/input", NULL);
    g_mkdir_with_parents(input, 0755);
    g_free(input);
}

static void unplug(struct pad *pad) {
    vanish(pad);
    umockdev_testbed_uevent(testbed, pad->sys, "remove");
    char *parent = g_path_get_dirname(pad->sys);
    umockdev_testbed_remove_device(testbed, pad->sys);
    umockdev_testbed_remove_device(testbed, parent);
    g_free(parent);
    pad->plugged = 0;
    /* What the library leaves behind, and what it takes too much: the next pad may get the same
       terminal, and a PC keeps its folder of devices. */
    g_strdelimit(pad->terminal, "/", '_');
    char *left = g_build_filename(umockdev_testbed_get_root_dir(testbed), "dev/.ptymap",
                                  pad->terminal, NULL);
    unlink(left);
    g_free(left);
    make_devices_folder();
}

static void carry_out(char *line, FILE *out) {
    char *rest, *word = strtok_r(line, " ", &rest);
    if (!word) {
        fprintf(out, "error an empty line\n");
        return;
    }
    char *first = strtok_r(NULL, " ", &rest);
    if (!strcmp(word, "plug")) {
        plug(first, out);
    } else if (!strcmp(word, "event")) {
        say(first, &rest, out);
    } else if (!strcmp(word, "vanish") || !strcmp(word, "unplug")) {
        struct pad *pad = find(first);
        if (!pad || !pad->plugged) {
            fprintf(out, "error no such pad is plugged in\n");
            return;
        }
        *word == 'v' ? vanish(pad) : unplug(pad);
        fprintf(out, "ok %s\n", pad->node);
    } else {
        fprintf(out, "error no command %s\n", word);
    }
}

static int listen_on(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "pads: %s is too long for a socket\n", path);
        exit(2);
    }
    strcpy(address.sun_path, path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4)) {
        fprintf(stderr, "pads: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    return fd;
}

/* Exit code of the program, once it has ended; -1 before. Passes other signals on. */
static int heed_signal(int signals, pid_t program) {
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info)
        return -1;
    if (info.ssi_signo != SIGCHLD) {
        kill(program, info.ssi_signo);
        return -1;
    }
    int status;
    if (waitpid(program, &status, WNOHANG) != program)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: umockdev-wrapper pads SOCKET PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    /* Before the library starts threads of its own: one of them would swallow the signals. */
    sigset_t heeded, before;
    sigemptyset(&heeded);
    sigaddset(&heeded, SIGCHLD);
    sigaddset(&heeded, SIGTERM);
    sigaddset(&heeded, SIGINT);
    sigprocmask(SIG_BLOCK, &heeded, &before);
    testbed = umockdev_testbed_new();
    make_devices_folder();
    int door = listen_on(argv[1]);
    signal(SIGPIPE, SIG_IGN);
    int signals = signalfd(-1, &heeded, SFD_CLOEXEC);
    pid_t self = getpid(), program = fork();
    if (program == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != self)
            _exit(1);
        signal(SIGPIPE, SIG_DFL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(argv[2], argv + 2);
        fprintf(stderr, "pads: %s: %s\n", argv[2], strerror(errno));
        _exit(127);
    }
    FILE *client = NULL;
    int code = -1;
    while (code < 0) {
        /* The signals, and the client, or the door while there is none. */
        struct pollfd asked[2] = {{signals, POLLIN, 0}, {client ? fileno(client) : door, POLLIN, 0}};
        if (poll(asked, 2, -1) < 0)
            continue;
        if (asked[0].revents)
            code = heed_signal(signals, program);
        if (code >= 0 || !asked[1].revents)
            continue;
        if (!client) {
            int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);
            client = fd < 0 ? NULL : fdopen(fd, "r+");
            if (client)
                setvbuf(client, NULL, _IONBF, 0);
            continue;
        }
        char line[512];
        if (!fgets(line, sizeof line, client)) {
            fclose(client);
            client = NULL;
            continue;
        }
        line[strcspn(line, "\n")] = 0;
        char *answer;
        size_t size;
        FILE *out = open_memstream(&answer, &size);
        carry_out(line, out);
        fclose(out);
        if (write(fileno(client), answer, size) < 0)
            fprintf(stderr, "pads: %s\n", strerror(errno));
        free(answer);
    }
    unlink(argv[1]);
    g_object_unref(testbed);
    return code;
}
