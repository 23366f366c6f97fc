// SPDX-License-Identifier: MIT
// One thread that stands for the board's hardware. It moves bytes between the serial port (the master end of a pty) and
// the interpreter, takes Ctrl-C out of the input while code runs, and schedules the timer's callback. As on a USB port,
// output is dropped while no host has the other end open, and waits while a host is slow.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "py/mphal.h"
#include "py/runtime.h"
#include "hardware.h"

#define CHUNK (1024)   // bytes in flight in each direction
#define WATCH_MS (5)   // how soon an arriving host is noticed
#define FLUSH_MS (500) // a host that reads nothing for so long does not hold up a reset

typedef struct {
    size_t begin, end;
    char bytes[2 * CHUNK]; // cooking doubles at most
} chunk_t;

static struct {
    bool running;     // the thread
    int port, rx, tx; // master end of the pty; our ends of the interpreter's stdin and stdout; -1: none
    int lifeline;     // closes when the program that owns this board ends; -1: none
    int wake[2];      // pipe: the period has changed
    pthread_t interpreter, thread;
    _Atomic int64_t period_ms; // 0: the timer is off
    atomic_bool queued;        // a callback is scheduled and has not begun
    atomic_bool leaving;       // end the thread when the chunks in its hands have gone
} board = { .port = -1, .rx = -1, .tx = -1, .lifeline = -1 };

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Timer

// Looks the callback up when it runs: what tick() has stopped or replaced is not called any more.
static mp_obj_t timer_fired(mp_obj_t none) {
    atomic_store(&board.queued, false);
    mp_obj_t callback = MP_STATE_VM(unixboard_callback);
    return callback == mp_const_none ? mp_const_none : mp_call_function_1(callback, none);
}
static MP_DEFINE_CONST_FUN_OBJ_1(timer_fired_obj, timer_fired);

// A signal ends whatever system call the interpreter waits in; the port then runs what is pending.
static void interrupt_system_call(int signum) {
    (void)signum;
}

static void schedule_callback(void) {
    if (!atomic_exchange(&board.queued, true)
        && !mp_sched_schedule(MP_OBJ_FROM_PTR(&timer_fired_obj), mp_const_none)) {
        atomic_store(&board.queued, false); // queue full: the next tick tries again
    }
    // Also where one was queued already: a signal between two system calls interrupts neither.
    pthread_kill(board.interpreter, SIGALRM);
}

// Serial port

// pyexec lets Ctrl-C through as a byte while it reads a command, and wants an exception while it runs one.
static bool ctrl_c_interrupts(void) {
    struct sigaction now;
    sigaction(SIGINT, NULL, &now);
    return now.sa_handler != SIG_DFL;
}

static void take_ctrl_c(chunk_t *c) {
    size_t kept = c->begin;
    for (size_t i = c->begin; i < c->end; i++) {
        if (c->bytes[i] == CHAR_CTRL_C && ctrl_c_interrupts()) {
            mp_sched_keyboard_interrupt();
            pthread_kill(board.interpreter, SIGALRM);
        } else {
            c->bytes[kept++] = c->bytes[i];
        }
    }
    c->end = kept;
}

// One read into an empty chunk, one write of what it holds; where nothing can be moved the next poll tells why.
static void fill(int fd, chunk_t *c) {
    ssize_t n = read(fd, c->bytes, CHUNK);
    c->begin = 0;
    c->end = n > 0 ? (size_t)n : 0;
}

static void drain(int fd, chunk_t *c) {
    ssize_t n = write(fd, c->bytes + c->begin, c->end - c->begin);
    c->begin += n > 0 ? (size_t)n : 0;
}

// Ends of lines as boards send them. The unix port leaves that to the terminal, and there is none.
static void cook(const chunk_t *raw, chunk_t *cooked) {
    static char last;
    cooked->begin = cooked->end = 0;
    for (size_t i = raw->begin; i < raw->end; i++) {
        if (raw->bytes[i] == '\n' && last != '\r') {
            cooked->bytes[cooked->end++] = '\r';
        }
        cooked->bytes[cooked->end++] = last = raw->bytes[i];
    }
}

enum { PORT, RX, TX, LIFELINE, WAKE, N_FDS };

static void *hardware(void *arg) {
    (void)arg;
    static chunk_t in, out, raw;
    bool host = false;
    int64_t tick = 0, left = 0;
    for (;;) {
        int64_t now = now_ms(), period = atomic_load(&board.period_ms);
        int timeout = -1;
        if (period == 0) {
            tick = 0;
        } else if (tick == 0) {
            tick = now + period;
        } else if (now >= tick) {
            schedule_callback();
            tick = now - tick < period ? tick + period : now + period;
        }
        if (tick != 0) {
            timeout = tick > now ? (int)(tick - now) : 0;
        }

        bool in_free = in.begin == in.end, out_free = out.begin == out.end;
        bool leaving = atomic_load(&board.leaving);
        left = leaving && left == 0 ? now : left;
        if (leaving && ((in_free && out_free) || now - left > FLUSH_MS)) {
            return NULL;
        }
        if ((leaving || (board.port >= 0 && !host)) && (timeout < 0 || timeout > WATCH_MS)) {
            timeout = WATCH_MS;
        }

        short port_events = (in_free && !leaving ? POLLIN : 0) | (out_free ? 0 : POLLOUT);
        struct pollfd fds[N_FDS] = {
            // A pty without a host is always "ready" to hang up, so it is left out of the waiting then.
            [PORT] = { .fd = host && port_events ? board.port : -1, .events = port_events },
            [RX] = { .fd = in_free ? -1 : board.rx, .events = POLLOUT },
            [TX] = { .fd = out_free && !leaving ? board.tx : -1, .events = POLLIN },
            [LIFELINE] = { .fd = board.lifeline },
            [WAKE] = { .fd = board.wake[0], .events = POLLIN },
        };
        poll(fds, N_FDS, timeout);

        if (fds[LIFELINE].revents & POLLHUP) {
            _exit(0);
        }
        if (fds[WAKE].revents & POLLIN) {
            char byte;
            (void)!read(board.wake[0], &byte, 1);
            tick = 0;
        }
        if (board.port >= 0) {
            struct pollfd port = { .fd = board.port, .events = POLLIN | POLLOUT };
            host = poll(&port, 1, 0) >= 0 && !(port.revents & POLLHUP);
        }
        if (fds[PORT].revents & POLLIN) {
            fill(board.port, &in);
            take_ctrl_c(&in);
        }
        if (fds[RX].revents & POLLOUT) {
            drain(board.rx, &in);
        }
        if (fds[TX].revents & POLLIN) {
            fill(board.tx, &raw);
            cook(&raw, &out);
        }
        if (!host) {
            out.begin = out.end;
        } else if (fds[PORT].revents & POLLOUT) {
            drain(board.port, &out);
        }
    }
}

void hardware_start(void) {
    if (board.running) {
        return;
    }
    if (pipe(board.wake) != 0) {
        mp_raise_OSError(errno);
    }
    fcntl(board.wake[0], F_SETFD, FD_CLOEXEC);
    fcntl(board.wake[1], F_SETFD, FD_CLOEXEC);
    struct sigaction wake = { .sa_handler = interrupt_system_call }; // no SA_RESTART
    sigaction(SIGALRM, &wake, NULL);
    board.interpreter = pthread_self();
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); // signals are for the interpreter's thread
    int error = pthread_create(&board.thread, NULL, hardware, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        mp_raise_OSError(error);
    }
    board.running = true;
}

// Put the serial port, at first stdin and stdout, behind the thread. A soft reset finds it there, and what is in the
// pipes.
void hardware_take_port(void) {
    const char *fds = getenv("UNIXBOARD_FDS");
    if (fds == NULL || sscanf(fds, "%d,%d,%d", &board.port, &board.rx, &board.tx) != 3) {
        int in[2], out[2];
        if (pipe(in) != 0 || pipe(out) != 0 || (board.port = dup(STDIN_FILENO)) < 0) {
            mp_raise_OSError(errno);
        }
        fcntl(board.port, F_SETFL, O_RDWR | O_NONBLOCK);
        #ifdef F_SETPIPE_SZ
        fcntl(out[1], F_SETPIPE_SZ, 16384); // a small output buffer, as boards have
        #endif
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        dup2(out[1], STDERR_FILENO); // an exception in a callback is printed there
        close(in[0]);
        close(out[1]);
        board.rx = in[1];
        board.tx = out[0];
        char text[48];
        snprintf(text, sizeof(text), "%d,%d,%d", board.port, board.rx, board.tx);
        setenv("UNIXBOARD_FDS", text, 1);
    }
    const char *lifeline = getenv("UNIXBOARD_LIFELINE");
    if (lifeline != NULL) {
        board.lifeline = atoi(lifeline);
    }
}

void hardware_stop(void) {
    atomic_store(&board.leaving, true);
    (void)!write(board.wake[1], "", 1);
    pthread_join(board.thread, NULL);
}

void hardware_tick(int64_t period_ms, mp_obj_t callback) {
    hardware_start();
    MP_STATE_VM(unixboard_callback) = callback;
    atomic_store(&board.period_ms, period_ms);
    if (write(board.wake[1], "", 1) != 1) {
        mp_raise_OSError(errno);
    }
}
